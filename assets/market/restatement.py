"""What restatements did: to the stored series, and to the Sharpe ratio of a run.

The second run of a backtest, on the newest versions, is a control: the ledger has it, and nobody counts it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from warehouse.tables import MACRO, OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from assets.market.history import History
    from pipeline.backtest.result import BacktestResult
    from warehouse.store import Warehouse

PRICED = ("open", "high", "low", "close", "volume")


def restated_series(warehouse: Warehouse, feed: str) -> pl.DataFrame:
    """Return ``timeframe, symbol`` and `pipeline.market.restatement.METER` of each series of a feed."""
    import polars as pl

    from pipeline.market.restatement import restatement

    parts = []
    for timeframe, table in (("h4", OHLCV_H4), ("daily", OHLCV_DAILY), ("macro", MACRO)):
        by, values = ("series", ("value",)) if table is MACRO else ("symbol", PRICED)
        metered = restatement(warehouse.versions(table, where={"feed": feed}), by, values)
        parts.append(metered.rename({by: "symbol"}).select(pl.lit(timeframe).alias("timeframe"), pl.all()))
    return pl.concat(parts)


def with_restatement(
    result: BacktestResult, read: History, rerun: Callable[[History], BacktestResult]
) -> tuple[BacktestResult, dict[str, Any], BacktestResult | None]:
    """Measure a run on the newest versions of its data beside those known then.

    Parameters
    ----------
    result
        The run on what was known at each decision.
    read
        The history that it read.
    rerun
        Runs the same strategy on another history.

    Returns
    -------
    tuple
        The run, with a flag where anything was restated; both Sharpe ratios, the latest one None where only
        the latest revision exists (the run then says so); the control run, None where none was needed.
    """
    from pipeline.backtest.result import Flag

    known = result.metrics.sharpe
    if "latest_revision" in read.provenance.vintage.values():
        return result, {"sharpe_as_known": known, "sharpe_latest": None}, None
    if not read.latest:
        return result, {"sharpe_as_known": known, "sharpe_latest": known}, None
    control = rerun(read.newest())
    both = {"sharpe_as_known": known, "sharpe_latest": control.metrics.sharpe}
    shown = ("unknown" if value is None else f"{value:.3f}" for value in both.values())
    text = "Bars were restated: Sharpe {} on what was known then, {} on the latest".format(*shown)
    flagged = replace(result, flags=(*result.flags, Flag("restatement", both, text)))
    return flagged, both, control
