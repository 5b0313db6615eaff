"""How much money a strategy may have by its state and by how sure its skill is."""

from pipeline.lifecycle.gates import is_known
from pipeline.lifecycle.states import State

SURE = 0.95
"""Deflated Sharpe ratio from which nothing is held back."""
PAPER_SHARE = 0.10
"""Size of a paper account as a share of live NAV."""


def proven(deflated_sharpe: float | None) -> float:
    """Return the share of its budget that a strategy has earned: deflated Sharpe ratio by 0.95, at most 1.

    An unknown ratio earns nothing.

    Examples
    --------
    >>> proven(0.475), proven(0.99), proven(None)
    (0.5, 1.0, 0.0)
    """
    if deflated_sharpe is None or not is_known(deflated_sharpe):
        return 0.0
    return min(1.0, max(0.0, deflated_sharpe) / SURE)


def allowed_budget(state: State, budget: float, deflated_sharpe: float | None) -> float:
    """Return the largest share of live NAV that a strategy may trade with.

    Parameters
    ----------
    state
        Where it stands; research and candidate have none.
    budget
        Share of NAV in ``strategies.yaml``.
    deflated_sharpe
        Of the run that it was promoted on; scales, but is no gate.
    """
    whole = {State.PAPER: PAPER_SHARE, State.LIVE: budget}.get(state, 0.0)
    return whole * proven(deflated_sharpe)
