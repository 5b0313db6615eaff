"""One world for all tests of assets, and desks that store it in folders of their own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from resources.desk import Desk
from resources.market.port import MarketSource
from tests.support.desk import NOW, desk_at


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> MarketSource:
    """The sample source; its world is simulated once."""
    return desk_at(tmp_path_factory.mktemp("world")).market


@pytest.fixture
def desk(tmp_path, world) -> Desk:
    """A desk with an empty warehouse on the shared world."""
    return replace(desk_at(tmp_path), market=world)


@pytest.fixture
def desk_of(tmp_path, world) -> Callable[..., Desk]:
    """Open the desk of this test anew, as a later process would, perhaps at another time."""

    def opened(at: datetime = NOW, home: Path | None = None) -> Desk:
        return replace(desk_at(home or tmp_path, at), market=world)

    return opened


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def no_drawing(monkeypatch) -> None:
    """Leave the pictures out: they have tests of their own and take most of the time of a short run."""
    for name in ("price_lines", "series_lines", "feature_lines", "regime_strips"):
        monkeypatch.setattr(f"pipeline.market.pictures.{name}", lambda *args, **kwargs: b"")
    for name in ("coverage_map", "gap_calendar"):
        monkeypatch.setattr(f"pipeline.market.coverage_pictures.{name}", lambda *args, **kwargs: b"")
