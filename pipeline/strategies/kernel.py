"""The rules of the built-in strategies as loops over bars: one parameter set a call, into given memory.

What the arrays mean and which features they are is the business of each strategy's own module.  The same
source runs as plain Python (``.py_func``).
"""

from pipeline.arrays import Bool1D, Float2D, Int1D, Int2D, Int8
from pipeline.jit import kernel

NOTHING, NEW_BAR, FORGOTTEN = 0, 1, 2
"""What a decision learns about an asset: nothing new, a new bar, or that its bars are too long ago."""
FLAT, LONG, BLOCKED = 0, 1, 2
"""Where a scan stands: out, in, or out and waiting for the index to leave oversold."""


@kernel
def first_unfit(weights: Float2D, most: float) -> int:
    """Return the first row with a number outside 0 to ``most``, or a sum above it; -1 without one."""
    for t in range(weights.shape[0]):
        total = 0.0
        fits = True
        for a in range(weights.shape[1]):
            weight = weights[t, a]
            fits = fits & (weight >= 0.0) & (weight <= most)
            total += weight
        if not fits or total > most:
            return t
    return -1


@kernel
def trend(
    close: Float2D,
    mean: Float2D,
    exit_mean: Float2D,
    short: Float2D,
    long: Float2D,
    missed: Float2D,
    inside: Bool1D,
    short_above: float,
    long_above: float,
    most_missed: float,
    out: Float2D,
) -> None:
    """Write equal weights over what stands above both means with both momenta above their thresholds."""
    for t in range(out.shape[0]):
        count = 0
        for a in range(out.shape[1]):
            holds = (
                inside[a]
                & (close[t, a] > mean[t, a])
                & (close[t, a] > exit_mean[t, a])
                & (short[t, a] > short_above)
                & (long[t, a] > long_above)
                & (missed[t, a] < most_missed)
            )
            out[t, a] = 1.0 if holds else 0.0
            count += 1 if holds else 0
        if count > 1:
            share = 1.0 / count
            for a in range(out.shape[1]):
                out[t, a] *= share


@kernel
def momentum(
    short: Float2D,
    long: Float2D,
    missed: Float2D,
    allowed: Bool1D,
    inside: Bool1D,
    most: int,
    equal: bool,
    most_missed: float,
    out: Float2D,
) -> None:
    """Write weights over the ``most`` highest positive scores, where they are allowed.

    A score is the mean of both momenta.  Of equal scores the earlier column goes first.  Weights are in
    proportion to the scores, or equal.
    """
    for t in range(out.shape[0]):
        count = 0
        for a in range(out.shape[1]):
            score = 0.5 * (short[t, a] + long[t, a])
            holds = allowed[t] & inside[a] & (score > 0.0) & (missed[t, a] < most_missed)
            out[t, a] = score if holds else 0.0
            count += 1 if holds else 0
        while count > most:
            least = -1
            for a in range(out.shape[1]):
                if out[t, a] > 0.0 and (least < 0 or out[t, a] <= out[t, least]):
                    least = a
            out[t, least] = 0.0
            count -= 1
        total = 0.0
        for a in range(out.shape[1]):
            if equal and out[t, a] > 0.0:
                out[t, a] = 1.0
            total += out[t, a]
        if count > 0:
            for a in range(out.shape[1]):
                out[t, a] /= total


@kernel
def reversion(
    news: Int8,
    known: Int2D,
    index: Float2D,
    close: Float2D,
    middle: Float2D,
    deviation: Float2D,
    inside: Bool1D,
    share: float,
    oversold: float,
    overbought: float,
    width: float,
    longest: int,
    state: Int1D,
    since: Int1D,
    out: Float2D,
) -> None:
    """Write ``share`` from an oversold close below the lower band to the reversion, at most ``longest`` bars.

    A causal scan over its own signals: only a new bar moves it, and an asset whose bars are forgotten starts
    anew.  ``state`` and ``since`` are working memory, one number per asset.
    """
    state[:] = FLAT
    for t in range(out.shape[0]):
        for a in range(out.shape[1]):
            if news[t, a] == FORGOTTEN:
                state[a] = FLAT
            elif news[t, a] == NEW_BAR and inside[a]:
                if state[a] == LONG:
                    if index[t, a] > overbought or close[t, a] >= middle[t, a]:
                        state[a] = FLAT
                    elif known[t, a] - since[a] >= longest:
                        state[a] = FLAT if index[t, a] >= oversold else BLOCKED
                elif state[a] == BLOCKED:
                    if index[t, a] >= oversold:
                        state[a] = FLAT
                elif index[t, a] < oversold and close[t, a] < middle[t, a] - width * deviation[t, a]:
                    state[a] = LONG
                    since[a] = known[t, a]
            out[t, a] = share if state[a] == LONG else 0.0
