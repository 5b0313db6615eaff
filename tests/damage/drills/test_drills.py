"""Poisoned data stop before features; clean days do not; without its rule the poison gets through."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest

import pipeline.market.series_rules as series
from resources.market.port import MarketSource
from tests.damage.drills.clean_days import Replayed, blocks
from tests.damage.drills.faults import FAULTS, drill
from tests.support.desk import START, desk_at

QUICK = [fault for fault in FAULTS if fault.home is None][::3]
"""The others take a run before the one that is poisoned: ``python -m benchmarks.drills`` has them all."""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> MarketSource:
    return desk_at(tmp_path_factory.mktemp("world")).market


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    for name in ("price_lines", "series_lines", "feature_lines", "regime_strips"):
        monkeypatch.setattr(f"pipeline.market.pictures.{name}", lambda *args, **kwargs: b"")


def test_there_are_at_least_twenty_faults():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 20


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_a_fault_stops_before_features(tmp_path, world, fault):
    assert drill(fault, replace(desk_at(tmp_path), market=world), tmp_path) == ""


def test_without_its_rule_a_straight_line_reaches_the_features(tmp_path, world, monkeypatch):
    fault = next(fault for fault in FAULTS if fault.name == "straight line")
    kept = tuple(rule for rule in series.SERIES_RULES if rule.name != "straight_line")
    monkeypatch.setattr(series, "SERIES_RULES", kept)
    assert "features were computed" in drill(fault, replace(desk_at(tmp_path), market=world), tmp_path)


def test_clean_days_are_not_blocked(tmp_path, world):
    desk, days = desk_at(tmp_path), 8
    first = START + timedelta(days=25)
    market = Replayed(world, desk.loaded.settings.instruments, first + timedelta(days=days))
    assert blocks(desk, market, first, days) == []


def test_a_finding_that_was_looked_at_and_accepted_does_not_block():
    from assets.checks import plausible
    from pipeline.market.findings import Finding, Severity

    found = Finding("split_jump", Severity.ERROR, "VRTX", START, "opens at 1.5 times")
    assert not plausible([found], ()).passed
    assert plausible([found], ("split_jump VRTX 2019-01-01",)).passed
    assert plausible([found], ("split_jump VRTX",)).passed
    verdict = plausible([found], ("split_jump VRTX 2019-01-02",))
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
