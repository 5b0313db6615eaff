"""From feature specifications and bars with holes to one call of the dense kernel.

Look-backs count the bars an asset has: its rows without a bar are taken out before the kernel and put back as
NaN after it.  When bars were known, and anything daily, is the business of ``compute.py``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.arrays import Bool1D, Bool2D, Float2D, Float3D, Int1D
from pipeline.errors import ConfigError, DataError, SchemaError
from pipeline.features import kernel, kernel_windows
from pipeline.features.registry import FeatureSpec

_ALONE = ("sma", "ema", "rsi", "atr", "momentum", "log_return", "volatility", "close", "bb_sd")
_BANDS = ("bb_mid", "bb_upper", "bb_lower")


@dataclass(frozen=True)
class Operation:
    """One call of a kernel.

    Attributes
    ----------
    kind
        A kind of the registry, ``bands`` for middle and bands at once.
    period, width
        In bars; in standard deviations.
    planes
        Numbers of the ``(bars, assets)`` planes it writes, features first, spare ones after them.
    """

    kind: str
    period: int
    planes: tuple[int, ...]
    width: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The operations for some features, and how many spare planes they need besides."""

    operations: tuple[Operation, ...]
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
        _run(plan, high, low, close, [*answer, *spare])
        return answer
    answer[...] = np.nan
    present = ~np.isnan(close)
    for columns in _alike(present):
        for rows in _stretches(present[:, columns[0]], longest_hole):
            at = np.ix_(rows, columns)
            dense = np.empty((len(specs) + plan.spare, rows.size, columns.size))
            _run(plan, high[at], low[at], close[at], list(dense))
            answer[:, rows[:, None], columns] = dense[: len(specs)]
    return answer


@lru_cache(maxsize=256)
def plan_of(specs: tuple[FeatureSpec, ...]) -> Plan:
    """Return the operations for these features, both bands and their middle in one.

    Raises
    ------
    ConfigError
        When a feature cannot be computed from bars.
    """
    count = len(specs)
    operations: list[Operation] = []
    mids = {spec.period: place for place, spec in enumerate(specs) if spec.kind == "bb_mid"}
    bands: dict[tuple[float, ...], dict[str, int]] = {}
    for place, spec in enumerate(specs):
        if spec.kind in {"bb_upper", "bb_lower"}:
            bands.setdefault(spec.params, {})[spec.kind] = place
        elif spec.kind in _ALONE:
            planes = (place, count) if spec.kind == "volatility" else (place,)
            operations.append(Operation(spec.kind, spec.period, planes))
        elif spec.kind != "bb_mid":
            raise ConfigError(
                "not computed from bars", "feature", spec.name, f"a kind of {', '.join((*_ALONE, *_BANDS))}"
            )
    for (period, width), places in bands.items():
        mid = mids.pop(int(period), count)
        upper, lower = places.get("bb_upper", count + 1), places.get("bb_lower", count + 2)
        operations.append(Operation("bands", int(period), (mid, upper, lower), width))
    operations += [Operation("sma", period, (place,)) for period, place in mids.items()]
    highest = max((plane for operation in operations for plane in operation.planes), default=-1)
    return Plan(tuple(operations), max(highest + 1 - count, 0))


def _run(plan: Plan, high: Float2D, low: Float2D, close: Float2D, planes: Sequence[Float2D]) -> None:
    """Run the plan over dense bars: every kernel handles all assets in one pass."""
    for operation in plan.operations:
        n, out = operation.period, planes[operation.planes[0]]
        match operation.kind:
            case "bands":
                upper, lower = planes[operation.planes[1]], planes[operation.planes[2]]
                kernel_windows.moving_bands(close, n, operation.width, out, upper, lower)
            case "volatility":
                returns = planes[operation.planes[1]]
                kernel.log_returns(close, returns)
                kernel_windows.moving_deviation(returns, n, 1, 1, out)
            case "bb_sd":
                kernel_windows.moving_deviation(close, n, 0, 0, out)
            case "atr":
                kernel.average_range(high, low, close, n, out)
            case "log_return":
                kernel.log_returns(close, out)
            case "close":
                out[:] = close
            case kind:
                _OF_CLOSES[kind](close, n, out)


_OF_CLOSES = {
    "sma": kernel_windows.moving_mean,
    "ema": kernel.exponential_mean,
    "rsi": kernel.relative_strength,
    "momentum": kernel.momentum,
}


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
