"""From feature specifications and bars with holes to one call of the dense kernel.

Look-backs count the bars an asset has: its rows without a bar are taken out before the kernel and put back as
NaN after it.  When bars were known, and anything daily, is the business of ``compute.py``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.arrays import Bool1D, Bool2D, Float1D, Float2D, Float3D, Int1D, Int2D
from pipeline.errors import ConfigError, DataError, SchemaError
from pipeline.features import kernel
from pipeline.features.registry import FeatureSpec

_SINGLE = {
    "sma": kernel.MEAN,
    "ema": kernel.EMA,
    "rsi": kernel.RSI,
    "atr": kernel.ATR,
    "momentum": kernel.MOMENTUM,
    "log_return": kernel.RETURN,
    "volatility": kernel.DEVIATION,
    "close": kernel.CLOSE,
}
_BANDS = ("bb_mid", "bb_upper", "bb_lower")


@dataclass(frozen=True, eq=False)
class Plan:
    """What the kernel is to do for some features.

    Attributes
    ----------
    operations, widths
        As `pipeline.features.kernel.sweep` takes them.
    spare
        Planes beyond those of the features that the kernel writes and nobody reads.
    """

    operations: Int2D
    widths: Float1D
    spare: int


def indicators(
    high: Float2D,
    low: Float2D,
    close: Float2D,
    specs: Sequence[FeatureSpec],
    *,
    longest_hole: int | None = None,
    out: Float3D | None = None,
) -> Float3D:
    """Compute features of every asset, look-backs counted in the bars that the asset has.

    Parameters
    ----------
    high, low, close
        Shape ``(bars, assets)``, C order, in the quote currency; NaN in all three where there is no bar.
    specs
        Features computed from bars (all kinds but ``closes_missed``); the timeframe is the caller's.
    longest_hole
        Rows without a bar after which an asset starts anew, as if its history began there; None: never.
    out
        Shape ``(features, bars, assets)``, C order, written and returned instead of new memory.

    Returns
    -------
    Float3D
        Shape ``(features, bars, assets)`` in the order of ``specs``; NaN during warm-up and without a bar.

    Raises
    ------
    ConfigError
        When a feature cannot be computed from bars.
    DataError
        When a bar has a price that is missing, infinite or not above 0.
    SchemaError
        When the shapes do not fit.

    Examples
    --------
    >>> close = np.array([[1.0], [2.0], [np.nan], [4.0]])
    >>> indicators(close, close, close, [parse("sma_2")])[0, :, 0]
    array([nan, 1.5, nan, 3. ])
    """
    plan = plan_of(tuple(specs))
    answer = _checked_shapes(high, low, close, (len(specs), *close.shape), out)
    spare = np.empty((plan.spare, *close.shape))
    holes = kernel.survey(high, low, close)
    if holes < 0:
        raise _bad_price(high, low, close)
    if holes == 0:
        kernel.sweep(high, low, close, plan.operations, plan.widths, answer, spare)
        return answer
    answer[...] = np.nan
    present = ~np.isnan(close)
    for columns in _alike(present):
        for rows in _stretches(present[:, columns[0]], longest_hole):
            at = np.ix_(rows, columns)
            dense = np.empty((len(specs) + plan.spare, rows.size, columns.size))
            kernel.sweep(
                high[at],
                low[at],
                close[at],
                plan.operations,
                plan.widths,
                dense[: len(specs)],
                dense[len(specs) :],
            )
            answer[:, rows[:, None], columns] = dense[: len(specs)]
    return answer


@lru_cache(maxsize=256)
def plan_of(specs: tuple[FeatureSpec, ...]) -> Plan:
    """Return the kernel's plan for these features, both bands and their middle in one operation.

    Raises
    ------
    ConfigError
        When a feature cannot be computed from bars.
    """
    count = len(specs)
    rows: list[list[int]] = []
    widths: list[float] = []
    spare = 0
    mids = {spec.period: place for place, spec in enumerate(specs) if spec.kind == "bb_mid"}
    bands: dict[tuple[float, ...], dict[str, int]] = {}
    for place, spec in enumerate(specs):
        if spec.kind in {"bb_upper", "bb_lower"}:
            bands.setdefault(spec.params, {})[spec.kind] = place
        elif spec.kind in _SINGLE:
            needs_spare = spec.kind == "volatility"
            rows.append([_SINGLE[spec.kind], spec.period, place, count if needs_spare else -1, -1])
            widths.append(0.0)
            spare = max(spare, 1 if needs_spare else 0)
        elif spec.kind != "bb_mid":
            raise ConfigError(
                "not computed from bars",
                "feature",
                spec.name,
                f"a kind of {', '.join(sorted({*_SINGLE, *_BANDS}))}",
            )
    for (period, width), places in bands.items():
        # A plane that nobody asked for is written to spare memory; the last plane of a pair may be shared.
        mid = mids.pop(int(period), count)
        rows.append(
            [
                kernel.BANDS,
                int(period),
                mid,
                places.get("bb_upper", count + 1),
                places.get("bb_lower", count + 2),
            ]
        )
        widths.append(width)
        spare = max(spare, 3)
    for period, place in mids.items():
        rows.append([kernel.MEAN, period, place, -1, -1])
        widths.append(0.0)
    return Plan(np.array(rows, np.int64).reshape(-1, 5), np.array(widths), spare)


def _checked_shapes(
    high: Float2D, low: Float2D, close: Float2D, shape: tuple[int, ...], out: Float3D | None
) -> Float3D:
    for name, array in (("high", high), ("low", low), ("close", close)):
        if array.shape != close.shape or array.ndim != 2 or array.dtype != np.float64:  # noqa: PLR2004 (a matrix)
            raise SchemaError("prices of one shape", name, array.shape, f"float64 of shape {close.shape}")
        if not array.flags.c_contiguous:
            raise SchemaError(
                "prices in C order", name, array.strides, "contiguous rows", "np.ascontiguousarray"
            )
    if out is None:
        return np.empty(shape)
    if out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise SchemaError("the output does not fit", "out", out.shape, f"float64 of shape {shape} in C order")
    return out


def _bad_price(high: Float2D, low: Float2D, close: Float2D) -> DataError:
    none = np.isnan(high) & np.isnan(low) & np.isnan(close)
    sound = (close > 0.0) & np.isfinite(close) & np.isfinite(high) & np.isfinite(low)
    row, column = np.argwhere(~none & ~sound)[0]
    prices = tuple(float(array[row, column]) for array in (high, low, close))
    return DataError(
        "a bar has a price that is no price",
        "high, low, close",
        prices,
        f"finite and above 0 (row {row}, column {column})",
        "validate the bars first: they belong into quarantine",
    )


def _alike(present: Bool2D) -> Iterator[Int1D]:
    """Yield the columns in groups that have their bars in the same rows."""
    groups: dict[bytes, list[int]] = {}
    for column in range(present.shape[1]):
        groups.setdefault(np.packbits(present[:, column]).tobytes(), []).append(column)
    for columns in groups.values():
        yield np.array(columns)


def _stretches(present: Bool1D, longest_hole: int | None) -> Iterator[Int1D]:
    """Yield the rows with a bar, cut where more than ``longest_hole`` rows have none."""
    rows = np.flatnonzero(present)
    if longest_hole is None:
        cuts = np.zeros(0, np.int64)
    else:
        cuts = np.flatnonzero(np.diff(rows) - 1 > longest_hole) + 1
    yield from (part for part in np.split(rows, cuts) if part.size)
