"""What must hold of every target after the risk rules, checked on what they left, not on how they did it."""

from pipeline.arrays import Float2D
from pipeline.jit import kernel
from pipeline.portfolio.account import Record, Records


@kernel
def most_above_a_cap(target: Float2D, rules: Record, terms: Records) -> float:
    """Return by how much targets exceed a cap at most: of an asset, of a class, or on their gross sum.

    Parameters
    ----------
    target
        Clamped target weights, shape ``(bars, assets)``.
    rules, terms
        As for `pipeline.risk.limits.clamp`.

    Returns
    -------
    float
        A fraction of NAV; negative or zero when every cap holds.
    """
    bars, assets = target.shape
    most = -rules.max_gross
    for i in range(bars):
        gross = 0.0
        for a in range(assets):
            gross += abs(target[i, a])
            most = max(most, abs(target[i, a]) - rules.asset_cap)
            if terms[a].leader == a:
                inside = 0.0
                for b in range(a, assets):
                    inside += abs(target[i, b]) if terms[b].leader == a else 0.0
                most = max(most, inside - terms[a].class_cap)
        most = max(most, gross - rules.max_gross)
    return most
