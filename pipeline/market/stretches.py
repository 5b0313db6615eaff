"""Stretches that no market prints: rows filled in, repeated, copied, drawn with a ruler.

Each limit is well above the longest such stretch in 830,000 real bars (252 stocks, two coins, funds, VIX),
where equal OHLC came three times running at most, in a stock that hardly traded.
"""

import polars as pl

from pipeline.market.bars import PRICES
from pipeline.market.findings import Severity
from pipeline.market.series_context import SeriesRule, after, before

FILLED_ROWS = 3
"""Rows without a trade of their own: open, high, low and close are the close before, and so is volume."""
FROZEN_ROWS = 4
"""Rows equal to the one before in all four prices, though volume moves: a quote that hangs."""
LINE_ROWS = 3
"""Rows halfway between their neighbours in all four prices: interpolation.  One such row happens."""
LINE_SHARE = 0.02
"""Part of the slope by which a price may miss the line: rows interpolated and then rounded."""
LINE_NOISE = 5e-5
"""Part of the price by which it may miss the line in any case: rounding to cents at 200 dollars."""
LEAST_SLOPE = 1e-5
"""Part of the price by which neighbours on a line must differ; without a slope it is `frozen` or `filled`."""
ZERO_VOLUME_ROWS = 5
"""Rows in which nothing traded.  A halt or an outage may do that, so it is a warning."""
CONSTANT_ROWS = 20
"""Rows from which a series whose close never moves is pointed out, to be skipped."""
REPEATED_ROWS = 5
"""Rows that come again in the same order: last year's data under this year's dates.  Two never did."""
COPIED_ROWS = 5
"""Rows equal in all four prices to those of another symbol at the same time: one file under two names."""

_flat = (pl.col("open") == pl.col("close")) & (pl.col("high") == pl.col("low"))
_as_before = pl.all_horizontal(pl.col(p) == before(p) for p in PRICES)
_no_volume = (
    (pl.col("volume") == 0) | pl.col("volume").is_null() | (pl.col("volume") == before("volume"))
).fill_null(value=False)
_filled = _flat & (pl.col("close") == before("close")) & _no_volume


def _on_line(price: str) -> pl.Expr:
    ahead, behind = after(price), before(price)
    slack = pl.max_horizontal(LINE_SHARE * (ahead - behind).abs() / 2, LINE_NOISE * pl.col(price).abs())
    return ((ahead + behind) / 2 - pl.col(price)).abs() <= slack


_sloped = (after("close") - before("close")).abs() > LEAST_SLOPE * pl.col("close")
_alike = pl.struct(PRICES).hash()
_places_back = pl.col("row") - pl.col("row").min().over("symbol", _alike)
_close = pl.col("close").cast(pl.String)

STRETCH_RULES: tuple[SeriesRule, ...] = (
    SeriesRule(
        "filled",
        Severity.ERROR,
        _filled,
        pl.format("the close before, {}, goes on without a trade: filled forward", _close),
        FILLED_ROWS,
    ),
    SeriesRule(
        "frozen",
        Severity.ERROR,
        _as_before & ~_filled.fill_null(value=False),
        pl.format("the same four prices again, close {}", _close),
        FROZEN_ROWS,
    ),
    SeriesRule(
        "straight_line",
        Severity.ERROR,
        pl.all_horizontal(_on_line(p) for p in PRICES) & _sloped,
        pl.format("all four prices lie on a straight line from {} to {}", before("close"), after("close")),
        LINE_ROWS,
    ),
    SeriesRule(
        "zero_volume",
        Severity.WARN,
        pl.col("volume") == 0,
        pl.format("nothing traded, close {}", _close),
        ZERO_VOLUME_ROWS,
    ),
    SeriesRule(
        "constant_prices",
        Severity.WARN,
        pl.col("close").min().over("symbol") == pl.col("close").max().over("symbol"),
        pl.format("the close is {} throughout: skip this series", _close),
        CONSTANT_ROWS,
    ),
    SeriesRule(
        "repeated_history",
        Severity.ERROR,
        (pl.col("places_back") > 1) & (pl.col("places_back") == before("places_back")),
        pl.format("the same four prices, in the same order, as {} rows earlier", pl.col("places_back")),
        REPEATED_ROWS,
    ),
    SeriesRule(
        "copied_symbol",
        Severity.ERROR,
        pl.col("copied"),
        pl.format("another symbol has the same four prices, close {}", _close),
        COPIED_ROWS,
    ),
)


def with_repetition(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``places_back`` (rows since the same prices first came) and ``copied`` (another one has them)."""
    seen = rows.with_columns(places_back=_places_back, of_all=pl.struct("ts", *PRICES).hash())
    return seen.with_columns(copied=pl.col("of_all").is_duplicated()).drop("of_all")
