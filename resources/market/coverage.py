"""What files cover: the stretch between a symbol's first and last bar, in which gaps are looked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.errors import SourceError
from resources.market.checked import expected_bars
from resources.market.port import Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding

GENESIS_DAY = datetime(2009, 1, 3, tzinfo=UTC)
"""The first day of the Bitcoin chain."""
NOT_MAPPED = "not_mapped"
"""The rule of the finding that a mapping names no files of a kind."""
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


def expected_between(
    bars: pl.DataFrame,
    timeframe: Timeframe,
    window: Window,
    *,
    now: datetime,
    lag: timedelta | None,
    instrument_of: Callable[[str], Instrument],
) -> dict[str, pl.DataFrame]:
    """Return, per symbol, the bars that lie between its first and its last one and inside the window."""
    import polars as pl

    spans = bars.group_by("symbol").agg(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last"))
    found = {}
    alike: dict[tuple[object, ...], pl.DataFrame] = {}  # hundreds of stocks share a few stretches
    for symbol, first, last in spans.sort("symbol").iter_rows():
        begin, finish = max(first, window.start), min(last + _TICK, window.until(now))
        if begin < finish:
            instrument = instrument_of(symbol)
            key = (instrument.calendar, instrument.asset_class, begin, finish)
            if key not in alike:
                alike[key] = expected_bars(instrument, timeframe, Window(begin, finish), now=now, lag=lag)
            found[symbol] = alike[key]
        else:  # all of it lies outside, such as a stock that was not listed yet
            found[symbol] = bars.select("ts", "open_at", "close_at", "minutes").clear()
    return found


def joined(parts: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """Return the expectations of several entries as one: a bar that two of them expect is expected once."""
    import polars as pl

    together: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for symbol, frame in part.items():
            together.setdefault(symbol, []).append(frame)
    return {
        symbol: frames[0] if len(frames) == 1 else pl.concat(frames).unique("ts").sort("ts")
        for symbol, frames in together.items()
    }


def spanned(frames: Iterable[pl.DataFrame]) -> Window | None:
    """Return the whole days from the first label to the last one; None without a label."""
    import polars as pl

    labels = [frame.select("ts") for frame in frames if frame.height]
    if not labels:
        return None
    days = pl.concat(labels).select(pl.col("ts").dt.truncate("1d"))
    first, last = days.select(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")).row(0)
    return Window(first, last + _DAY)


def no_bar(findings: Sequence[Finding]) -> SourceError:
    """Return the error that says that there is no bar, with the first reason of those that are known."""
    why = f": {findings[0].reason}" if findings else ""
    return SourceError(
        f"no file of the mapping has a bar{why}",
        field="entries",
        value=len(findings) or None,
        constraint="at least one readable file with a good row",
        fix="mend the files or the mapping; one of macro series alone says history",
    )


def set_aside_findings(aside: pl.DataFrame) -> list[Finding]:
    """Return one finding per symbol and rule of the rows that were set aside while bars were made."""
    import polars as pl

    from pipeline.market.findings import Finding, Severity

    runs = aside.group_by("symbol", "rule", "severity").agg(
        pl.col("ts").min().alias("first"),
        pl.col("ts").max().alias("last"),
        pl.col("reason").sort_by("ts").first(),
        pl.len().alias("count"),
    )
    return [
        Finding(
            rule=row["rule"],
            severity=Severity(row["severity"]),
            symbol=row["symbol"],
            ts=row["first"],
            reason=row["reason"],
            last=row["last"],
            count=row["count"],
        )
        for row in runs.sort("symbol", "rule", nulls_last=True).iter_rows(named=True)
    ]


def not_mapped(feed: str) -> Finding:
    """Return what a mapping of the chain alone says of bars, macro series and actions: it has none."""
    from pipeline.market.findings import Finding, Severity

    return Finding(NOT_MAPPED, Severity.INFO, None, None, f"the mapping of {feed} holds the chain alone")


def require_one(entries: Sequence[object], read: int, findings: Sequence[Finding]) -> None:
    """Raise where a mapping names files and not one of them could be read."""
    if entries and not read:
        raise SourceError(
            f"not one file of the mapping could be read: {findings[0].reason}",
            field="path",
            value=len(findings),
            constraint="at least one readable file",
            fix="mend the files, or their paths in the mapping",
        )
