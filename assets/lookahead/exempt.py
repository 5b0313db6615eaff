"""Assets that a look-ahead proof neither computes in this process nor compares in its cuts, with reasons."""

from collections.abc import Mapping

_SEARCHED = (
    "says of a window that is over what its runs came to; the weights and accounts it is made of are driven,"
    " and what it chooses is used for no decision inside that window"
)
_FORECAST = "says how wrong forecasts were whose prices have come; the forecasts themselves are driven"
EXEMPT: Mapping[str, str] = {
    "chain/blocks": "a block is stored as its source tells it, and nothing is computed",
    "optimization/experiments": _SEARCHED,
    "optimization/results": _SEARCHED,
    "optimization/folds": _SEARCHED,
    "valuation/backtests": _FORECAST,
    "valuation/board": _FORECAST,
}
"""Assets that are neither driven nor compared in the cuts, with the reason."""
UNCUT = frozenset({*EXEMPT, "valuation/models", "valuation/predictions"}) - {"chain/blocks"}
"""Assets that are left out of the cuts: they take long, and are exempt or driven in this process."""
