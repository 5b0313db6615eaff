"""What may be doubted about the days of a chain: missing days, falling heights, supply off the schedule."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from pipeline.chain.days import DAY
from pipeline.chain.issuance import SATOSHI, supplies
from pipeline.market.findings import Finding, Severity

SUPPLY_TOLERANCE = 1e-4
"""Share by which the supply may differ from the schedule: coins not claimed, or lost for good."""
GRACE = timedelta(hours=48)
"""How long the next day may be overdue before the chain counts as stale."""


def day_findings(days: pl.DataFrame, feed: str) -> list[Finding]:
    """Return what is doubtful about stored days, columns of ``chain.metrics_daily`` sorted by ``ts``."""
    return [*gaps(days, feed), *_falling(days, feed), *_off_schedule(days, feed)]


def too_early(days: pl.DataFrame) -> int:
    """Count days that claim to be known before they were over."""
    return days.filter(pl.col("known_at") < pl.col("ts") + DAY).height


def overdue_hours(days: pl.DataFrame, horizon: datetime, lag: timedelta = timedelta(0)) -> float | None:
    """Return the hours beyond the grace by which the day after the newest one is late; None without days."""
    if days.is_empty():
        return None
    due = days["ts"].sort().tail(1).item() + 2 * DAY + lag + GRACE
    return max(0.0, (horizon - due).total_seconds() / 3600.0)


def gaps(days: pl.DataFrame, feed: str) -> list[Finding]:
    """Return the holes between days, column ``ts`` sorted."""
    after = days.with_columns(pl.col("ts").shift(1).alias("before")).filter(
        pl.col("ts") - pl.col("before") > DAY
    )
    return [
        Finding(
            "gap",
            Severity.WARN,
            feed,
            before + DAY,
            "days are missing; what is cumulative is unknown from there on",
            ts - DAY,
            (ts - before).days - 1,
        )
        for ts, before in after.select("ts", "before").iter_rows()
    ]


def _falling(days: pl.DataFrame, feed: str) -> list[Finding]:
    found = []
    for name in ("height", "supply_btc", "thermocap_usd"):
        known = days.filter(pl.col(name).is_not_null())
        alike = pl.col("height_source") == pl.col("height_source").shift(1)
        falls = known.filter((pl.col(name) < pl.col(name).shift(1)) & alike)
        if falls.height:
            first, last = falls["ts"].to_list()[0], falls["ts"].to_list()[-1]
            reason = f"{name} falls from one day to the next"
            found.append(Finding("falling", Severity.ERROR, feed, first, reason, last, falls.height))
    return found


def _off_schedule(days: pl.DataFrame, feed: str) -> list[Finding]:
    known = days.filter(pl.col("supply_btc").is_not_null() & (pl.col("height") >= 0))
    expected = supplies(known["height"].cast(pl.Int64).to_numpy()) / SATOSHI
    off = np.abs(known["supply_btc"].to_numpy() / expected - 1.0)
    wrong = known.filter(pl.Series(off > SUPPLY_TOLERANCE))
    if wrong.is_empty():
        return []
    first, last = wrong["ts"].to_list()[0], wrong["ts"].to_list()[-1]
    reason = f"supply differs from the schedule by up to {off.max():.2%}"
    return [Finding("off_schedule", Severity.WARN, feed, first, reason, last, wrong.height)]
