"""Features as known at each H4 decision: the kernel's values, carried by ``known_at`` and by nothing else.

Bars become known at their ``known_at``, daily closes at theirs; a label never makes a value known.
What a late row means for the rows after it is decided in ``as_known.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from pipeline.arrays import Float2D, Float3D, Int1D, Time1D
from pipeline.calendar.grid import CELL64
from pipeline.calendar.stale import closes_missed
from pipeline.errors import ConfigError, SchemaError, TimestampError
from pipeline.features.as_known import at_each_decision, late_rows
from pipeline.features.indicators import indicators
from pipeline.features.registry import FeatureSpec
from pipeline.market.panel import Panel

LONGEST_HOLE = np.timedelta64(10, "D")
"""After more than this without a bar an asset's H4 look-backs start anew."""
_LONGEST = int(LONGEST_HOLE / CELL64)


@dataclass(frozen=True, eq=False)
class ExpectedCloses:
    """The daily closes that a calendar expects of one asset, each array of shape ``(days,)``."""

    ts: Time1D
    known_at: Time1D


@dataclass(frozen=True, eq=False)
class _DailyBars:
    """Daily bars of one symbol by session."""

    ts: Time1D
    known_at: Time1D
    high: Float2D
    low: Float2D
    close: Float2D


def features_at_decisions(
    panel: Panel,
    daily: pl.DataFrame,
    specs: Sequence[FeatureSpec],
    *,
    expected: Mapping[str, ExpectedCloses] | None = None,
    out: Float3D | None = None,
) -> dict[str, Float2D]:
    """Compute features of every asset of the panel as they were known at each decision.

    H4 features are computed on the bars that an asset had by then and carried from the last of them; a bar
    that becomes known after its cell's end is first seen by a later decision.  Daily features are computed
    on the closes that were known, in the order of their sessions, and carried the same way.

    Parameters
    ----------
    panel
        Bars with their history: look-backs begin at its first bar.
    daily
        Daily bars in `pipeline.market.bars.BAR_SCHEMA`; may be empty when no daily feature is asked for.
    specs
        What to compute, each name once.
    expected
        By symbol; needed for ``closes_missed_d`` only.
    out
        Shape ``(features, bars, assets)``, float64, C order, written instead of new memory.

    Returns
    -------
    dict[str, Float2D]
        By name, shape ``(bars, assets)``; NaN where nothing is known yet.

    Raises
    ------
    ConfigError
        When a feature is asked for twice, or ``closes_missed_d`` without expectations.
    DataError
        When a bar has a price that is no price.
    SchemaError, TimestampError
        When a column is missing, a session occurs twice, or ``out`` does not fit.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise ConfigError("a feature is asked for twice", "specs", names, "distinct names")
    shape = (len(specs), panel.n_bars, panel.n_assets)
    if out is not None and out.shape != shape:
        raise SchemaError("the output does not fit", "out", out.shape, f"shape {shape}")
    answer = np.empty(shape) if out is None else out
    bars = [i for i, spec in enumerate(specs) if spec.timeframe == "h4"]
    closes = [i for i, spec in enumerate(specs) if spec.timeframe == "daily" and spec.kind != "closes_missed"]
    missed = [i for i, spec in enumerate(specs) if spec.kind == "closes_missed"]
    if bars:
        _fill_h4(panel, [specs[i] for i in bars], answer, bars)
    if closes or missed:
        _require_columns(daily)
        for column, symbol in enumerate(panel.symbols):
            days = _daily_bars(daily, symbol)
            if closes:
                answer[closes, :, column] = _carried(days, [specs[i] for i in closes], panel.decisions)
            if missed:
                answer[missed, :, column] = _missed(days, symbol, expected, panel.decisions)
    return {spec.name: answer[i] for i, spec in enumerate(specs)}


def features_table(panel: Panel, features: Mapping[str, Float2D]) -> pl.DataFrame:
    """Lay features out in rows: one for each cell in which an asset has a bar.

    Parameters
    ----------
    panel
        The panel that the features were computed on.
    features
        By name, shape ``(bars, assets)``.

    Returns
    -------
    pl.DataFrame
        ``symbol``, ``ts``, one column per feature (NULL where unknown) and ``known_at``: the
        decision, since until then something may arrive that enters the values, or the bar's own ``known_at``
        where that is later.  Sorted by symbol, then ``ts``.
    """
    row, column = np.nonzero(panel.present)
    known_at = np.maximum(panel.known_at[row, column], panel.decisions[row])
    columns: dict[str, pl.Series] = {
        "symbol": pl.Series(np.array(panel.symbols, dtype=object)[column], dtype=pl.String),
        "ts": _utc(panel.ts[row]),
    }
    columns |= {name: pl.Series(values[row, column]).fill_nan(None) for name, values in features.items()}
    return pl.DataFrame(columns | {"known_at": _utc(known_at)}).sort("symbol", "ts")


def _fill_h4(panel: Panel, specs: Sequence[FeatureSpec], answer: Float3D, places: Sequence[int]) -> None:
    values = indicators(panel.high, panel.low, panel.close, specs, longest_hole=_LONGEST)
    for column in range(panel.n_assets):
        own = np.flatnonzero(panel.present[:, column])
        known_at = panel.known_at[own, column]
        values_of = _without_late if late_rows(known_at).any() else _with_all
        compute = partial(values_of, panel, specs, values, column, own)
        answer[places, :, column] = at_each_decision(compute, known_at, panel.decisions, len(specs))


def _with_all(
    _panel: Panel, _specs: Sequence[FeatureSpec], values: Float3D, column: int, own: Int1D, rows: Int1D
) -> Float2D:
    return values[:, own[rows], column]


def _without_late(
    panel: Panel, specs: Sequence[FeatureSpec], _values: Float3D, column: int, own: Int1D, rows: Int1D
) -> Float2D:
    kept = []
    for price in (panel.high, panel.low, panel.close):
        array = np.full((panel.n_bars, 1), np.nan)
        array[own[rows], 0] = price[own[rows], column]
        kept.append(array)
    return indicators(*kept, specs, longest_hole=_LONGEST)[:, own[rows], 0]


def _carried(days: _DailyBars, specs: Sequence[FeatureSpec], decisions: Time1D) -> Float2D:
    # A close without a range is a close: only a range needs the range.
    ranged = any(spec.kind == "atr" for spec in specs)
    high, low = (days.high, days.low) if ranged else (days.close, days.close)

    def values_of(rows: Int1D) -> Float2D:
        return indicators(high[rows], low[rows], days.close[rows], specs)[:, :, 0]

    return at_each_decision(values_of, days.known_at, decisions, len(specs))


def _missed(
    days: _DailyBars, symbol: str, expected: Mapping[str, ExpectedCloses] | None, decisions: Time1D
) -> Float2D:
    if expected is None or symbol not in expected:
        raise ConfigError(
            "missed closes need to know which closes were expected",
            "expected",
            symbol,
            "an entry for every symbol",
            "pass the calendar's daily closes",
        )
    calendar = expected[symbol]
    return closes_missed(days.ts, days.known_at, calendar.ts, calendar.known_at, decisions)[None, :]


def _daily_bars(daily: pl.DataFrame, symbol: str) -> _DailyBars:
    own = (
        daily.lazy()
        .filter(pl.col("symbol") == symbol, pl.col("close").is_not_null() & pl.col("close").is_not_nan())
        .select("ts", "high", "low", "close", "known_at")
        .sort("ts")
        .collect()
    )
    ts = own["ts"].dt.replace_time_zone(None).to_numpy()
    again = np.flatnonzero(np.diff(ts) == np.timedelta64(0, "us"))
    if again.size:
        raise TimestampError(
            "a session occurs twice", "ts", f"{symbol} {ts[again[0]]}", "one row per session"
        )
    known_at = own["known_at"].dt.replace_time_zone(None).to_numpy()
    high, low, close = (
        np.array(own[name].to_numpy(), np.float64).reshape(-1, 1) for name in ("high", "low", "close")
    )
    return _DailyBars(ts, known_at, high, low, close)


def _require_columns(daily: pl.DataFrame) -> None:
    for name in ("symbol", "ts", "high", "low", "close", "known_at"):
        if name not in daily.columns:
            raise SchemaError("a required column is missing", name, sorted(daily.columns), "daily bars")


def _utc(times: Time1D) -> pl.Series:
    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
