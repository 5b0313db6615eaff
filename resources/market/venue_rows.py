"""Makes H4 and daily bars of the rows of one venue: forming ones dropped, closed ones on the calendar.

A row is honest about when it closed and when it could be known before any rule looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from resources.market.mapping import LENGTHS

if TYPE_CHECKING:
    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.market.findings import Finding
    from resources.market.asking import Answer
    from resources.venues.port import Length

PATIENCE = timedelta(hours=1)
"""How long an H4 bar whose last row is not there yet is held back."""


@dataclass(frozen=True)
class Made:
    """Bars of one symbol, rows set aside on the way, and what was left out.

    ``bars`` has the columns of ``BAR_SCHEMA``, ``quarantined`` those of ``QUARANTINE_SCHEMA``.
    """

    bars: pl.DataFrame
    quarantined: pl.DataFrame
    findings: tuple[Finding, ...]


def made_h4(answer: Answer, instrument: Instrument, length: Length, lag: timedelta) -> Made:
    """Make H4 bars of finer ones.

    A bar whose last row is missing is held back for an hour, and known so late: the row may come, and a bar
    is published once.
    """
    import polars as pl

    from pipeline.market.resample import to_h4

    fine, findings = _closed(_labelled(answer, instrument), answer, instrument, LENGTHS[length])
    inside, outside = _in_session(fine, instrument.calendar)
    if outside.height:
        findings.append(_counted("outside_session", instrument, outside, "outside every session; left out"))
    known = inside.with_columns(known_at=pl.col("close_at") + lag)
    h4, aside = to_h4(known, instrument.calendar)
    last = inside["close_at"].max()
    waiting = (pl.col("close_at") > pl.lit(last)) & (pl.col("close_at") > answer.closed_by - PATIENCE)
    over = pl.col("close_at") <= answer.closed_by
    taken = h4.filter(over, ~waiting.fill_null(value=False))
    ends = inside.select(last_close="close_at").drop_nulls().sort("last_close")
    placed = taken.sort("close_at").join_asof(ends, left_on="close_at", right_on="last_close", coalesce=False)
    late = pl.max_horizontal("known_at", pl.col("close_at") + PATIENCE)
    known_at = pl.when(pl.col("last_close") < pl.col("close_at")).then(late).otherwise("known_at")
    return Made(placed.with_columns(known_at=known_at).select(h4.columns), aside, tuple(findings))


def made_days(h4: Made, instrument: Instrument, answer: Answer) -> Made:
    """Make days of H4 bars; what was left out of those is told with them."""
    import polars as pl

    from pipeline.market.resample import to_daily

    days, odd = to_daily(h4.bars, instrument.calendar)
    return Made(days.filter(pl.col("close_at") <= answer.closed_by), odd, ())


def made_own_days(answer: Answer, instrument: Instrument, lag: timedelta | None) -> Made:
    """Give the venue's own days their sessions; a row on another day is judged later."""
    import polars as pl

    from pipeline.market.bars import QUARANTINE_SCHEMA, conform_bars, empty
    from resources.market.bar_files import placed_days

    dated = _labelled(answer, instrument).with_columns(ts=pl.col("open_at").dt.truncate("1d"))
    placed = placed_days(dated.drop("open_at"), instrument, lag)
    findings = []
    forming = placed.filter(pl.col("close_at") > answer.closed_by)
    if forming.height:
        findings.append(_counted("forming", instrument, forming, "not closed yet; left out"))
    closed = placed.filter(pl.col("close_at") <= answer.closed_by)
    return Made(conform_bars(closed), empty(QUARANTINE_SCHEMA), tuple(findings))


def _labelled(answer: Answer, instrument: Instrument) -> pl.DataFrame:
    """Add the labels of the origin.

    Prices that are adjusted as of the day they are asked for are the latest revision of a history that
    changes with every split; raw ones are what was published.
    """
    import polars as pl

    raw = pl.col("adjustment") == "raw"
    return answer.rows.with_columns(
        symbol=pl.lit(instrument.symbol),
        venue=pl.lit(answer.venue),
        vintage=pl.when(raw).then(pl.lit("as_published")).otherwise(pl.lit("latest_revision")),
        simulated=pl.lit(value=False),
    )


def _closed(
    rows: pl.DataFrame, answer: Answer, instrument: Instrument, length: timedelta
) -> tuple[pl.DataFrame, list[Finding]]:
    import polars as pl

    timed = rows.with_columns(close_at=pl.col("open_at") + length)
    forming = timed.filter(pl.col("close_at") > answer.closed_by)
    findings = (
        [_counted("forming", instrument, forming, "not closed yet; left out")] if forming.height else []
    )
    over = (pl.col("close_at") <= answer.closed_by).fill_null(value=True)
    return timed.filter(over), findings


def _in_session(rows: pl.DataFrame, calendar: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that meet a session and those before and after trading hours."""
    import numpy as np
    import polars as pl

    from pipeline.calendar.sessions import ALWAYS_OPEN, session_table

    if calendar == ALWAYS_OPEN or rows.is_empty():
        return rows, rows.clear()
    table = session_table(calendar)
    opens, closes = (rows[c].dt.replace_time_zone(None).to_numpy() for c in ("open_at", "close_at"))
    place = np.minimum(np.searchsorted(table.close_at, opens, side="right"), table.close_at.size - 1)
    meets = pl.Series((table.open_at[place] < closes) | np.isnat(opens))
    return rows.filter(meets), rows.filter(~meets)


def _counted(rule: str, instrument: Instrument, rows: pl.DataFrame, what: str) -> Finding:
    from pipeline.market.findings import Finding, Severity

    label = "open_at" if "open_at" in rows.columns else "ts"
    times = rows[label].sort().to_list()
    reason = f"{len(times)} {'row' if len(times) == 1 else 'rows'} {what}"
    return Finding(rule, Severity.INFO, instrument.symbol, times[0], reason, times[-1], len(times))
