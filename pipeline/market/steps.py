"""Steps that no market takes: splits not applied, units changed, ticks that come back, volumes swapped.

A step is judged by the bar on which it happens, so a series that is wrong from its first row to its last
shows none: prices in cents throughout, or quote volume throughout, cannot be told from a cheaper asset.
"""

import math

import polars as pl

from pipeline.market.findings import Severity
from pipeline.market.series_context import SeriesRule, after, before

JUMP = 5.0
"""Factor between a close and the next open from which a bar is pointed out; no market here moved so far."""
OVERNIGHT = 0.5
"""Part of the close by which the next open may differ where there is volume; VIX, which has none, does more.
News did more to two of 252 stocks in thirteen years."""

SMALL_SPLITS = (1.5,)
"""Shares after for one before.  Smaller ratios (5 for 4) cannot be told from news by prices alone."""
LARGE_SPLITS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0)
SPLIT_TOLERANCE = 0.02
"""Log distance from a small ratio, for the move of that night: twice a usual one of a stock."""
LARGE_TOLERANCE = 0.05
"""The same for large ratios, which news hardly reaches: in 252 stocks no open was 1.6 times the close."""
CALM = 3.0
"""Times the usual span, and the usual volume, that the bar of a split may have: news moves and is traded, a
split does neither.  In 252 stocks every night of news near a small ratio was traded more than that; near a
large ratio, where either of the two is enough, there was none."""
SETTLED = 0.10
"""Log move of the next close up to which the new level counts as kept, if that is not usual anyway."""

TENTHS, UNITS = (10.0,), (100.0, 1000.0)
"""Factors of a change of unit: a shifted decimal point; dollars and cents, coins and thousandths."""
TENTHS_TOLERANCE = 0.05
"""Log distance from a factor of ten, which some nights of news come near: the move of one bar."""
UNIT_TOLERANCE = math.log(2.0)
"""Log distance from a larger factor: nothing opens at 50 times its last close, however it moves overnight."""

SPIKE = math.log(1.6)
"""Log move of a close that the next close takes back.  The largest in stocks and coins was 0.24; VIX 0.41."""
TAKEN_BACK = 0.25
"""Part of the move that may remain."""
WICK = 4.0
"""Factor of a high or low over the body.  The flash crashes of 2010 and 2015 reached 1.9; VIX has 3.3."""

SWAPPED_PRICE = 100.0
"""Price from which volume in the other currency stands out; below, busy days look the same."""
SWAPPED_SLACK = math.log(3.0)
"""Log distance of the change in volume from that price: volume itself varies."""
SWAPPED_WIDER = 0.5
"""More of it for each log unit of price above that one: no market trades 300 times the usual, so at 10,000
there is nothing to mistake it for, while volumes a tenth or ten times the usual come by themselves."""
SWAPPED_ROWS = 3

_open_factor = pl.col("overnight").exp().round(4).cast(pl.String)
_close_factor = pl.col("move").exp().round(4).cast(pl.String)
_at_open = pl.format("opens at {} times the close before", _open_factor)


def _distance(factors: tuple[float, ...]) -> pl.Expr:
    signed = [sign * math.log(factor) for factor in factors for sign in (1, -1)]
    return pl.min_horizontal((pl.col("overnight") - step).abs() for step in signed)


_volume_change = pl.col("log_volume") - pl.col("usual_volume")
_above_price = pl.col("close").log().abs() - math.log(SWAPPED_PRICE)
_swapped = (_above_price >= 0.0) & (
    (_volume_change.abs() - pl.col("close").log().abs()).abs() <= SWAPPED_SLACK + SWAPPED_WIDER * _above_price
)
_calm_span = pl.col("span") <= CALM * pl.col("usual_span")
_calm_volume = pl.min_horizontal(_volume_change, _volume_change + pl.col("overnight")) <= math.log(CALM)
_settled = (after("move").abs() <= pl.max_horizontal(pl.lit(SETTLED), CALM * pl.col("usual_span"))).fill_null(
    value=True
)
_split = (
    (
        ((_distance(SMALL_SPLITS) <= SPLIT_TOLERANCE) & _calm_volume)
        | ((_distance(LARGE_SPLITS) <= LARGE_TOLERANCE) & (_calm_span | _calm_volume))
    )
    & (pl.col("usual_span") > 0)
    & pl.col("volume").is_not_null()  # an index has no splits
    & _settled
)

STEP_RULES: tuple[SeriesRule, ...] = (
    SeriesRule(
        "split_jump",
        Severity.ERROR,
        _split,
        pl.format("{} on a calm day, as after a split that was not applied", _at_open),
    ),
    SeriesRule(
        "unit_change",
        Severity.ERROR,
        (_distance(TENTHS) <= TENTHS_TOLERANCE) | (_distance(UNITS) <= UNIT_TOLERANCE),
        pl.format("{}: another unit", _at_open),
    ),
    SeriesRule(
        "spike",
        Severity.ERROR,
        (pl.col("move").abs() > SPIKE)
        & ((pl.col("move") + after("move")).abs() <= TAKEN_BACK * pl.col("move").abs()),
        pl.format("closes at {} times the close before, and the next close is back", _close_factor),
    ),
    SeriesRule(
        "wick",
        Severity.ERROR,
        (pl.col("high") >= WICK * pl.max_horizontal("open", "close"))
        | (pl.col("low") * WICK <= pl.min_horizontal("open", "close")),
        pl.format("high {}, low {}, close {}", "high", "low", "close"),
    ),
    SeriesRule(
        "swapped_volume",
        Severity.ERROR,
        _swapped,
        pl.format(
            "volume {} against {} before, a change by the price: in the other currency",
            pl.col("volume").round(2),
            pl.col("usual_volume").exp().round(2),
        ),
        SWAPPED_ROWS,
    ),
    SeriesRule(
        "jump",
        Severity.WARN,
        (pl.col("open") >= JUMP * before("close")) | (pl.col("open") * JUMP <= before("close")),
        pl.format(f"opens at {JUMP:g} times the close before, or a part of it: {{}}", _open_factor),
    ),
    SeriesRule(
        "overnight_gap",
        Severity.WARN,
        ((pl.col("open") / before("close") - 1.0).abs() > OVERNIGHT) & pl.col("volume").is_not_null(),
        pl.format("{}, a gap of more than {}", _at_open, pl.lit(f"{OVERNIGHT:.0%}")),
    ),
)
EXPLAINED = frozenset({"split_jump", "unit_change", "jump", "overnight_gap"})
"""Rules whose step a known split or reverse split explains."""
