"""The quick look at the answer of a strategy; `asking` says what is wrong where this sees something."""

from pipeline.arrays import Float2D
from pipeline.jit import kernel


@kernel
def surely_sound(weights: Float2D, slack: float) -> bool:
    """Return whether every weight is in [0, 1] and every row sums to clearly less than ``1 + slack``."""
    flat = weights.reshape(-1)
    inside = 0
    for k in range(flat.size):
        inside += 1 if (flat[k] >= 0.0) & (flat[k] <= 1.0) else 0
    if inside < flat.size:
        return False
    bars, assets = weights.shape
    over = 0
    for i in range(bars if assets > 1 else 0):
        total = 0.0
        for a in range(assets):
            total += weights[i, a]
        over += 1 if total > 1.0 + 0.5 * slack else 0
    return over == 0
