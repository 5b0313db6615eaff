"""What the valuation models read: the days of the chain as of an instant, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, InsufficientDataError
from warehouse.tables import table

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from pipeline.valuation.history import ChainHistory
    from warehouse.manifest import Input
    from warehouse.store import Warehouse

METRICS = "chain.metrics_daily"


@dataclass(frozen=True, eq=False)
class ValuationInputs:
    """The history of one chain source.

    Parameters
    ----------
    history
        Its days, as known then.
    feed
        Name of the source.
    simulated
        Whether a simulator made any of them.
    latest_revision
        Whether any row is known in its newest revision only, so that the past may look better than it was.
    inputs
        What was read, with digests, for a manifest.
    """

    history: ChainHistory
    feed: str
    simulated: bool
    latest_revision: bool
    inputs: tuple[Input, ...]


def read_history(
    warehouse: Warehouse, *, feed: str | None = None, at: datetime | None = None
) -> ValuationInputs:
    """Read ``chain.metrics_daily`` as of an instant.

    Parameters
    ----------
    warehouse
        The store.
    feed
        Chain source; None where the warehouse holds but one.
    at
        What the world knew then; None for everything there is.

    Raises
    ------
    InsufficientDataError
        When there is no row.
    ConfigError
        When several sources delivered rows and none is named.
    DataError
        When there is no warehouse yet.
    """
    from warehouse.digest import digest_frame
    from warehouse.manifest import Input

    declared = table(METRICS)
    frame = warehouse.as_of(declared, at, where={} if feed is None else {"feed": feed})
    digest = digest_frame(declared, frame) if frame.height else None
    return inputs_from(frame, feed=feed, inputs=(Input(METRICS, at, frame.height, digest),))


def inputs_from(
    frame: pl.DataFrame, *, feed: str | None = None, inputs: tuple[Input, ...] = ()
) -> ValuationInputs:
    """Return the history of rows that were read.

    Raises
    ------
    InsufficientDataError, ConfigError
        As `read_history`.
    """
    from pipeline.valuation.history import ChainHistory

    feeds = sorted(set(frame["feed"])) if frame.height else []
    if not feeds:
        raise InsufficientDataError(
            "there are no days of the chain in the warehouse" + (f" from {feed}" if feed else ""),
            field=METRICS,
            value=0,
            constraint="at least a year of days with a price",
            fix="materialise chain.metrics_daily from a chain source first",
        )
    if len(feeds) > 1:
        raise ConfigError(
            "several chain sources have delivered days",
            field="--feed",
            value=feeds,
            constraint="one of them",
            fix=f"name one, such as --feed {feeds[0]}",
        )
    return ValuationInputs(
        ChainHistory.from_frame(frame),
        feeds[0],
        bool(frame["simulated"].any()),
        bool((frame["vintage"] == "latest_revision").any()),
        inputs,
    )
