"""Arrays of a context as the kernels of the built-in strategies take them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import SchemaError

if TYPE_CHECKING:
    from pipeline.arrays import Bool1D, Float2D, Float3D
    from pipeline.strategies.context import Context


def inside(universe: Sequence[str], context: "Context") -> "Bool1D":
    """Return which columns of the context belong to the universe, shape ``(assets,)``."""
    return np.array([symbol in universe for symbol in context.symbols], np.bool_)


def plain(context: "Context", feature: str) -> "Float2D":
    """Return a feature in C order, the one layout that kernels are compiled for."""
    return np.ascontiguousarray(context.feature(feature))


def room(context: "Context", params: Sequence[object], out: "Float3D | None") -> "Float3D":
    """Return memory for the weights of a population, shape ``(params, bars, assets)``.

    Raises
    ------
    SchemaError
        When ``out`` does not fit.
    """
    shape = (len(params), *context.shape)
    if out is None:
        return np.empty(shape)
    if out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise SchemaError("the output does not fit", "out", out.shape, f"float64 of shape {shape} in C order")
    return out
