"""What a strategy is: a pure, causal function from a context to target weights."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.arrays import Float2D
    from pipeline.strategies.context import Context


Urgency: TypeAlias = Literal["low", "normal", "high"]
"""How much a delay costs, as the strategy sees it."""
Horizon: TypeAlias = Literal["intraday", "swing", "position"]
"""How long it means to hold: within the day, days to weeks, longer."""


class Parameters(BaseModel):
    """Base of every strategy's parameters: frozen, typed, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@runtime_checkable
class Strategy(Protocol):
    """A strategy.

    ``weights`` may read row ``t`` and what lies before it to fill row ``t``, nothing else; it knows no
    positions, no other strategy and no broker, and sees the columns of its universe only.  Weights are in
    [0, 1] and sum to at most 1 in each row; 0 where nothing is known.

    A strategy may also offer ``weights_many(context, params, out=None)`` for populations, shape
    ``(params, bars, assets)``; ``confidence(context, params)``, shaped like the weights, 0 to 1 or NaN; and
    the attributes ``urgency`` and ``horizon``.  What it does not offer is unknown.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    params_model: ClassVar[type[Parameters]]
    regimes: ClassVar[tuple[str, ...]]
    """Dimensions of `pipeline.regimes.vocabulary` that ``weights`` reads; most read none."""

    @property
    def universe(self) -> tuple[str, ...]:
        """Symbols that it may hold."""
        ...

    def features(self, params: Any) -> tuple[str, ...]:
        """Return the names of the features that ``weights`` reads under these parameters."""
        ...

    def weights(self, context: "Context", params: Any) -> "Float2D":
        """Return target weights as fractions of the strategy's budget, shape ``(bars, assets)``."""
        ...
