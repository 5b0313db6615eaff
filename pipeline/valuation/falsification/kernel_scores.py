"""What is read off one path, compiled: errors of a model and of both bases, a unit root statistic."""

import math

from pipeline.arrays import Float1D, Float2D, Int1D
from pipeline.jit import kernel
from pipeline.valuation.falsification.kernel_forecasts import solve


@kernel
def score(y: Float1D, forecast: Float2D, horizons: Int1D, first: int, scored: int, sums: Float2D) -> None:
    """Write sums of squared ln errors of a model and of both bases, and how many, shape ``(horizons, 4)``.

    The bases are the price of the row before the origin, and that price moved by the mean daily ln return of
    all rows before the origin.
    """
    for j in range(horizons.size):
        own, still, drifting, count = 0.0, 0.0, 0.0, 0
        for i in range(scored - first, forecast.shape[1]):
            origin = first + i
            target = origin + horizons[j] - 1
            if target >= y.size:
                break
            off = y[target] - forecast[j, i]
            moved = y[target] - y[origin - 1]
            if math.isfinite(off) and math.isfinite(moved):
                beyond = moved - (y[origin - 1] - y[0]) / (origin - 1) * horizons[j]
                own += off * off
                still += moved * moved
                drifting += beyond * beyond
                count += 1
        sums[j, 0], sums[j, 1], sums[j, 2], sums[j, 3] = own, still, drifting, count


@kernel
def dickey_fuller(u: Float1D, n: int, lags: int, gram: Float2D, system: Float2D, answer: Float1D) -> float:
    """Return the t statistic of ``u[t-1]`` in a regression of its change on it, a constant and past ones.

    Parameters
    ----------
    u
        The series; its first ``n`` values are read.
    lags
        Past changes in the regression.
    gram, system, answer
        Room, at least ``lags + 3`` a side.
    """
    size = lags + 2
    for a in range(size + 1):
        for b in range(size + 1):
            gram[a, b] = 0.0
    count = 0
    for t in range(lags + 1, n):
        answer[0] = u[t - 1] - u[0]
        answer[1] = 1.0
        for k in range(lags):
            answer[2 + k] = u[t - 1 - k] - u[t - 2 - k]
        answer[size] = u[t] - u[t - 1]
        for a in range(size + 1):
            for b in range(a + 1):
                gram[a, b] += answer[a] * answer[b]
        count += 1
    for column in range(2):
        for a in range(size):
            for b in range(size):
                system[a, b] = gram[max(a, b), min(a, b)]
            system[a, size] = gram[size, a] if column == 0 else (1.0 if a == 0 else 0.0)
        if not solve(system, size, answer):
            return math.nan
        if column == 0:
            gamma, unexplained = answer[0], gram[size, size]
            for a in range(size):
                unexplained -= answer[a] * gram[size, a]
    return gamma / math.sqrt(unexplained / (count - size) * answer[0])
