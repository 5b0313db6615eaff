"""The one way to ask a strategy: it sees its own universe read-only, and its answer is checked.

What it holds does not depend on what else is in the context, so it says the same alone and in a book.  A
strategy of somebody else is never trusted to have kept to the port.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from pydantic import BaseModel

from pipeline.arrays import AnyArray, Bool2D, Float2D, Float3D
from pipeline.calendar.grid import from_time64
from pipeline.errors import BellsError, ModelError
from pipeline.strategies import kernel
from pipeline.strategies.columns import room
from pipeline.strategies.kernel_answer import surely_sound

if TYPE_CHECKING:
    from pipeline.strategies.context import Context
    from pipeline.strategies.port import Strategy

ROUNDING = 1e-9
"""By so much a row of weights may exceed 1."""


def weights_of(context: "Context", strategy: "Strategy", params: BaseModel) -> Float2D:
    """Return the weights of a strategy, shape ``(bars, assets)``, 0 outside its universe.

    Parameters
    ----------
    context
        Bars, features and regimes; may hold more assets than the universe, in any order.
    strategy, params
        What is asked, and under which parameters.

    Raises
    ------
    ConfigError
        When the context lacks symbols of the universe.
    ModelError
        When the strategy fails, or its weights do not have the context's shape, are not finite, leave
        [0, 1], or sum to more than 1 at a decision.
    """
    own = context.only(strategy.universe)
    answer = _asked(strategy, lambda: strategy.weights(own, params))
    return _spread(_checked_weights(strategy, "weights", answer, own), own, context)


def weights_many_of(
    context: "Context", strategy: "Strategy", params: Sequence[BaseModel], out: Float3D | None = None
) -> Float3D:
    """Return the weights of every parameter set, shape ``(params, bars, assets)``, each as `weights_of`.

    Asks the strategy's own ``weights_many`` where it has one.

    Parameters
    ----------
    context, strategy
        As `weights_of`.
    params
        One member each.
    out
        Memory of that shape to write to and return.

    Raises
    ------
    ConfigError, ModelError, SchemaError
        As `weights_of`; when ``out`` does not fit.
    """
    answer = room(context, params, out)
    many: Callable[..., Any] | None = getattr(strategy, "weights_many", None)
    if many is None:
        for each, into in zip(params, answer, strict=True):
            into[:] = weights_of(context, strategy, each)
        return answer
    own = context.only(strategy.universe)
    given = answer if own.symbols == context.symbols else None
    weights = _asked(strategy, lambda: many(own, params, given))
    if np.shape(weights) != (len(params), *own.shape):
        raise _wrong_shape(strategy, "weights_many", np.shape(weights), (len(params), *own.shape))
    for one, into in zip(weights, answer, strict=True):
        if weights is answer and surely_sound(one, ROUNDING):
            continue
        checked = _checked_weights(strategy, "weights_many", one, own)
        if weights is not answer:
            into[:] = _spread(checked, own, context)
    return answer


def confidence_of(context: "Context", strategy: "Strategy", params: BaseModel) -> Float2D | None:
    """Return how sure the strategy is of each weight, 0 to 1 or NaN for silence, shape ``(bars, assets)``.

    None from a strategy that says nothing about it.

    Raises
    ------
    ConfigError, ModelError
        As `weights_of`.
    """
    told: Callable[..., Any] | None = getattr(strategy, "confidence", None)
    if told is None:
        return None
    own = context.only(strategy.universe)
    values = _numbers(strategy, "confidence", _asked(strategy, lambda: told(own, params)), own)
    fits = ((values >= 0.0) & (values <= 1.0)) | np.isnan(values)
    _refuse_values(strategy, "confidence", values, fits, own)
    return _spread(values, own, context, absent=np.nan)


def features_of(strategy: "Strategy", params: Sequence[BaseModel]) -> tuple[str, ...]:
    """Return the names of all features that a population reads, each once, in the order of the members.

    Raises
    ------
    ModelError
        When the strategy fails to say.
    """
    named = _asked(strategy, lambda: [name for each in params for name in strategy.features(each)])
    return tuple(dict.fromkeys(named))


def _asked(strategy: "Strategy", question: Callable[[], Any]) -> Any:
    try:
        return question()
    except BellsError:
        raise
    except Exception as error:
        raise ModelError(
            f"{strategy.name} failed: {type(error).__name__}: {error}",
            f"{type(strategy).__module__}.{type(strategy).__qualname__}",
            constraint="an answer for every context; bars, features and regimes are read-only",
            fix="mend the strategy; its own tests say where: a copy of an array may be changed",
        ) from error


def _checked_weights(strategy: "Strategy", field: str, answer: Any, context: "Context") -> Float2D:
    weights = _numbers(strategy, field, answer, context)
    row = kernel.first_unfit(weights, 1.0 + ROUNDING)
    if row >= 0:
        _refuse_values(strategy, field, weights, (weights >= 0.0) & (weights <= 1.0 + ROUNDING), context)
        _refuse_sum(strategy, weights, row, context)
    return weights


def _numbers(strategy: "Strategy", field: str, answer: Any, context: "Context") -> Float2D:
    values = np.asarray(answer)
    if values.shape != context.shape or values.dtype.kind not in "fiub":
        raise _wrong_shape(strategy, field, values.shape, context.shape)
    return np.require(values, np.float64, ["C", "W"])


def _refuse_values(
    strategy: "Strategy", field: str, values: Float2D, fits: Bool2D, context: "Context"
) -> None:
    if not fits.all():
        row, column = np.argwhere(~fits)[0]
        raise ModelError(
            f"{strategy.name} gives {context.symbols[column]} a value that is none",
            f"{field}[{row}, {column}]",
            float(values[row, column]),
            f"finite, 0 to 1 (decision {from_time64(context.decisions[row]).isoformat()})",
            "say 0 where nothing is known; short sales are not simulated",
        )


def _refuse_sum(strategy: "Strategy", weights: Float2D, row: int, context: "Context") -> NoReturn:
    held = {s: float(w) for s, w in zip(context.symbols, weights[row], strict=True) if w > 0.0}
    total, decision = weights[row].sum(), from_time64(context.decisions[row])
    raise ModelError(
        f"{strategy.name} gives away more than its budget",
        f"weights[{row}]",
        held,
        f"at most 1, not {total:g} (decision {decision.isoformat()})",
        "divide each row by its sum where that exceeds 1",
    )


def _wrong_shape(
    strategy: "Strategy", field: str, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> ModelError:
    return ModelError(
        f"the answer of {strategy.name} does not fit",
        field,
        shape,
        f"numbers of shape {wanted}: a row for each decision, a column for each symbol of its universe",
        "return an array with the shape of context.shape",
    )


def _spread(values: AnyArray, own: "Context", context: "Context", absent: float = 0.0) -> Float2D:
    """Return the columns of a universe where they stand in the whole context."""
    if own.symbols == context.symbols:
        return values
    spread = np.full(context.shape, absent)
    spread[:, [context.symbols.index(symbol) for symbol in own.symbols]] = values
    return spread
