"""Finer bars made into H4 bars and H4 bars into days, on the calendar's own intervals.

A bar belongs to the interval that holds its close.  What a source's stamps mean is already settled here:
every row says when it opened and closed.  Bad rows are quarantined before they could be hidden by a sum.
"""

from datetime import timedelta

import polars as pl

from pipeline.calendar.sessions import EquityBars, expected_daily, expected_h4
from pipeline.errors import SchemaError
from pipeline.market.bars import BAR_SCHEMA, PRICES, QUARANTINE_SCHEMA, BarState, empty
from pipeline.market.findings import Severity
from pipeline.market.quarantine import quarantine
from pipeline.market.rules import Rule, judge, repeat_rules, value_rules, with_repeats

_NEEDED = ("symbol", "open_at", "close_at", *PRICES, "volume", "known_at")
_CARRIED = ("adjustment", "source", "venue", "vintage", "state", "simulated")
_FROM_FIRST = ("adjustment", "source", "venue", "vintage")
_DAY = timedelta(days=1)


def to_h4(
    fine: pl.DataFrame,
    calendar: str,
    *,
    allow_straddle: bool = False,
    equity_bars: EquityBars = "h4",
    dataset: str = "market.ohlcv_h4",
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Build H4 bars from bars of a minute, half an hour or an hour.

    Parameters
    ----------
    fine
        Columns ``symbol, open_at, close_at, open, high, low, close, volume, known_at``; ``adjustment``,
        ``source``, ``venue``, ``vintage`` and ``simulated`` are carried along where given.  All symbols
        trade by the same calendar.
    calendar
        ``24/7`` or an exchange.
    allow_straddle
        Take a bar that crosses the start of a cell into the cell of its close instead of quarantining
        it.  The H4 bar then says by ``open_at`` that it began before its cell.
    equity_bars
        As in `expected_h4`.
    dataset
        Name written to the quarantine.

    Returns
    -------
    tuple of polars.DataFrame
        Bars with the columns of `BAR_SCHEMA` that the source can fill, sorted by symbol and label, and
        rows of `QUARANTINE_SCHEMA`.  ``open_at``, ``close_at`` and ``minutes`` are the calendar's,
        ``covered_minutes`` what the rows cover; ``known_at`` is never before the interval's end plus the
        lag of its last row, nor before any row was known.  Volume is NULL where a row's is.  ``state`` is
        the least complete of the rows', ``final`` where they do not say.

    Raises
    ------
    SchemaError
        When a column is missing.
    """
    expected = _expected(fine, calendar, equity_bars)
    if equity_bars == "h4":
        cell = pl.col("close_at").dt.offset_by("-1us").dt.truncate("4h")
        straddles = pl.col("open_at") < cell
    else:
        straddles = (pl.col("open_at") < pl.col("exp_open_at")) & (pl.col("close_at") > pl.col("exp_open_at"))
    rules = [] if allow_straddle else [_straddle(straddles)]
    taken, quarantined = _assign(fine, expected, rules, dataset)
    return _aggregate(taken), quarantined


def to_daily(
    bars: pl.DataFrame, calendar: str, *, dataset: str = "market.ohlcv_daily"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Build daily bars, labelled 00:00 UTC of the session date, from H4 bars (or finer ones).

    A day whose last bar is missing has no close, so it has no row: its other bars are left out, and the
    day shows up as a gap.  Parameters, returns and errors as `to_h4`.
    """
    expected = _expected(bars, calendar, "h4", daily=True)
    straddles = (pl.col("open_at") < pl.col("exp_open_at")) & (pl.col("close_at") > pl.col("exp_open_at"))
    taken, quarantined = _assign(bars, expected, [_straddle(straddles)], dataset)
    closed = pl.col("close_at").max().over("symbol", "ts") >= pl.col("exp_close_at")
    return _aggregate(taken.filter(closed)), quarantined


def _expected(
    rows: pl.DataFrame, calendar: str, equity_bars: EquityBars, *, daily: bool = False
) -> pl.DataFrame:
    for column in _NEEDED:
        if column not in rows.columns:
            raise SchemaError(
                "a required column is missing", column, sorted(rows.columns), ", ".join(_NEEDED)
            )
    known = rows.select("open_at", "close_at").drop_nulls()
    if known.is_empty():
        return pl.DataFrame(
            schema={**dict.fromkeys(_EXPECTED_TIMES, BAR_SCHEMA["ts"]), "minutes": pl.Int32()}
        )
    start = known.select(pl.col("open_at").min().dt.truncate("1d")).item() - _DAY
    end = known.select(pl.col("close_at").max()).item() + _DAY
    frame = (
        expected_daily(calendar, start, end)
        if daily
        else expected_h4(calendar, start, end, equity_bars=equity_bars)
    )
    return frame.rename({"open_at": "exp_open_at", "close_at": "exp_close_at"})


_EXPECTED_TIMES = ("ts", "exp_open_at", "exp_close_at")


def _assign(
    rows: pl.DataFrame, expected: pl.DataFrame, rules: list[Rule], dataset: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each row the calendar's interval that holds its close; quarantine what fits nowhere."""
    columns = [c for c in (*_NEEDED, *_CARRIED, "covered_minutes") if c in rows.columns]
    on_calendar = (
        rows.select(columns)
        .sort("close_at", nulls_last=True)
        .join_asof(expected, left_on="close_at", right_on="exp_close_at", strategy="forward", coalesce=False)
    )
    inside = pl.col("close_at") > pl.col("exp_open_at")
    outside = Rule(
        "outside_session",
        Severity.WARN,
        ~inside.fill_null(value=False),
        pl.format("no session holds its close {}", pl.col("close_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )
    counted = with_repeats(on_calendar, ("symbol", "close_at"), columns)
    good, bad = judge(counted, [*value_rules(), *repeat_rules(), *rules, outside])
    good, overlapping = judge(good.sort("symbol", "close_at"), [_overlap()])
    bad = pl.concat([bad, overlapping])
    return good, quarantine(bad, dataset, columns) if bad.height else empty(QUARANTINE_SCHEMA)


def _straddle(broken: pl.Expr) -> Rule:
    when = (pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for c in ("open_at", "close_at"))
    return Rule("straddle", Severity.WARN, broken, pl.format("{} to {} crosses a cell's start", *when))


def _overlap() -> Rule:
    earlier = pl.col("close_at").shift(1).over("symbol")
    text = pl.format("opens before the close {} of the row before", earlier.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return Rule("overlap", Severity.ERROR, pl.col("open_at") < earlier, text)


def _aggregate(taken: pl.DataFrame) -> pl.DataFrame:
    covered = pl.min_horizontal("close_at", "exp_close_at") - pl.max_horizontal("open_at", "exp_open_at")
    minutes = covered.dt.total_minutes()
    if "covered_minutes" in taken.columns:
        minutes = pl.coalesce("covered_minutes", minutes)
    lag = pl.col("known_at").last() - pl.col("close_at").last()
    if "state" not in taken.columns:
        taken = taken.with_columns(state=pl.lit(str(BarState.FINAL)))
    close_at = pl.max_horizontal(pl.col("exp_close_at").first(), pl.col("close_at").last())
    bars = (
        taken.sort("symbol", "close_at")
        .group_by("symbol", "ts", maintain_order=True)
        .agg(
            open_at=pl.min_horizontal(pl.col("exp_open_at").first(), pl.col("open_at").first()),
            close_at=close_at,
            minutes=pl.col("minutes").first(),
            covered_minutes=minutes.sum(),
            open=pl.col("open").first(),
            high=pl.col("high").max(),
            low=pl.col("low").min(),
            close=pl.col("close").last(),
            volume=pl.when(pl.col("volume").null_count() == 0).then(pl.col("volume").sum()),
            known_at=pl.max_horizontal(pl.col("known_at").max(), close_at + lag),
            state=pl.col("state").cast(pl.Enum(BarState)).min().cast(pl.String),
            **{c: pl.col(c).first() for c in _FROM_FIRST if c in taken.columns},
            **({"simulated": pl.col("simulated").any()} if "simulated" in taken.columns else {}),
        )
    )
    return bars.select(pl.col(c).cast(dtype) for c, dtype in BAR_SCHEMA.items() if c in bars.columns)
