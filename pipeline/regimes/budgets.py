"""Budgets that follow the regimes: base times one multiplier for each dimension.

What is not given out stays cash; only a sum above one is scaled down to one.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.arrays import Float1D, Float2D, Int8
from pipeline.errors import ComponentNotFoundError, ConfigError, SchemaError
from pipeline.regimes.vocabulary import DIMENSIONS


def multiplier_table(
    multipliers: Mapping[str, Mapping[str, float]], strategies: Sequence[str]
) -> dict[str, Float2D]:
    """Return the multipliers of some strategies by dimension, each of shape ``(labels, strategies)``.

    Parameters
    ----------
    multipliers
        By regime (``equity_bull``) and strategy, as in ``regimes.yaml``; what is not named is 1.
    strategies
        The columns.

    Examples
    --------
    >>> multiplier_table({"crypto_risk_off": {"CryptoMomentum": 0.0}}, ["CryptoMomentum"])["crypto"]
    array([[0.],
           [1.]])
    """
    return {
        dimension: np.array(
            [
                [multipliers.get(f"{dimension}_{label}", {}).get(name, 1.0) for name in strategies]
                for label in words
            ],
            np.float64,
        ).reshape(len(words), len(strategies))
        for dimension, words in DIMENSIONS.items()
    }


def require_strategies(multipliers: Mapping[str, Mapping[str, float]], strategies: Sequence[str]) -> None:
    """Refuse a multiplier for a strategy that there is not: it would change nothing, and nobody would notice.

    Raises
    ------
    ConfigError
        Naming the regime and the strategy.
    """
    for regime, row in multipliers.items():
        for name in row:
            if name not in strategies:
                raise ConfigError(
                    "a multiplier is for a strategy that is not configured",
                    field=f"regimes.multipliers.{regime}.{name}",
                    value=name,
                    constraint=f"one of {', '.join(strategies)}",
                    fix="write the name as in strategies.yaml, or take the multiplier out",
                )


def budgets(base: Float1D, regimes: Mapping[str, Int8], table: Mapping[str, Float2D]) -> Float2D:
    """Return the budget of each strategy at each decision, fractions of NAV.

    Parameters
    ----------
    base
        Shape ``(strategies,)``.
    regimes
        By dimension, codes of shape ``(bars,)``.
    table
        From `multiplier_table`, with the same strategies.

    Returns
    -------
    Float2D
        Shape ``(bars, strategies)``; every row sums to at most 1 (to rounding).

    Raises
    ------
    ComponentNotFoundError
        When a dimension of the table has no labels.
    SchemaError
        When the table has other strategies than ``base``.
    """
    missing = [dimension for dimension in table if dimension not in regimes]
    if missing:
        raise ComponentNotFoundError(
            "budgets need every dimension of regimes", "regimes", missing[0], f"all of {', '.join(table)}"
        )
    first, *_ = table
    given = np.repeat(np.asarray(base, np.float64)[None, :], regimes[first].size, axis=0)
    for dimension, factors in table.items():
        if factors.shape[1:] != base.shape:
            raise SchemaError(
                "one multiplier per strategy", dimension, factors.shape, f"(labels, {base.size})"
            )
        given *= factors[regimes[dimension]]
    total = given.sum(axis=1, keepdims=True)
    return given / np.maximum(total, 1.0)
