"""Half-hour log prices of the simulated world: GARCH(1,1)-t around the regime's level, with jumps.

The law, for asset a of a class, H4 cell c and half-hour k in it::

    r_k = drift(regime) scale w_k + sigma(regime) scale sqrt(g_c w_k / year) s_c z_k + J_k
    g_(c+1) = (1 - alpha - beta) + alpha g_c e_c^2 + beta g_c
    e_c = s_c sum(sqrt(w_k) z_k) / sqrt(sum w_k)

``z`` are correlated standard normals, ``s_c = sqrt((nu - 2) / chi2_nu)`` is shared by the class, so that
``e_c`` is a Student t of unit variance; ``w`` are the variance weights of `steps` (Bollerslev 1986, 1987).
``J`` is compound Poisson; drift includes its mean, GARCH does not see it.  All sums over assets are written
out element by element: a matrix product may round a row differently when there are more rows, and earlier
prices must not change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import gamma, sqrt

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D, Int1D
from pipeline.errors import ConfigError
from pipeline.market.sample.parameters import STATES, Correlation, CryptoLaw, EquityLaw, WorldParameters
from pipeline.market.sample.steps import (
    DAYS_PER_YEAR,
    SESSIONS_PER_YEAR,
    STEPS_PER_CELL,
    STEPS_PER_DAY,
    Clockwork,
)
from pipeline.seeds import stream

STEPS_PER_YEAR = STEPS_PER_DAY * DAYS_PER_YEAR


@dataclass(frozen=True)
class AssetPath:
    """One asset in half-hours.

    Parameters
    ----------
    asset_class
        ``equity`` or ``crypto``.
    log_price
        At the bounds of the steps, shape ``(steps + 1,)``.
    jump
        Log jump at the start of each step, 0 where there is none, shape ``(steps,)``.
    sd
        Conditional standard deviation of the continuous part of each step, shape ``(steps,)``.
    garch
        ``g`` of each cell, mean 1, shape ``(cells,)``.
    innovation
        ``e`` of each cell, shape ``(cells,)``.
    level
        Annual volatility of the class in force at each step, before scale and ``g``, shape ``(steps,)``.
    """

    asset_class: str
    log_price: Float1D
    jump: Float1D
    sd: Float1D
    garch: Float1D
    innovation: Float1D
    level: Float1D


def simulate(
    world: WorldParameters,
    classes: Mapping[str, str],
    clock: Clockwork,
    regimes: Mapping[str, Int1D],
) -> dict[str, AssetPath]:
    """Return the path of every asset.

    Parameters
    ----------
    world
        Parameters.
    classes
        Asset class of every symbol in ``world.assets``.
    clock
        Steps and variance weights.
    regimes
        State codes per UTC day, from `regimes.plant`.

    Raises
    ------
    ConfigError
        When the correlations do not fit together.
    """
    symbols = tuple(world.assets)
    factor = _cholesky(world, symbols, classes)
    normals = [stream(world.seed, f"sample/normal/{s}").standard_normal(clock.at.size) for s in symbols]
    laws: dict[str, _ClassPath] = {
        "equity": _class_path("equity", world.classes.equity, world.seed, clock.equity, regimes),
        "crypto": _class_path("crypto", world.classes.crypto, world.seed, clock.crypto, regimes),
    }
    paths = {}
    for row, symbol in enumerate(symbols):
        z = np.zeros(clock.at.size)
        for column in range(row + 1):
            if factor[row, column]:
                z += factor[row, column] * normals[column]
        paths[symbol] = _asset_path(world, symbol, laws[classes[symbol]], z)
    return paths


@dataclass(frozen=True)
class _ClassPath:
    name: str
    law: EquityLaw | CryptoLaw
    weight: Float1D
    per_year: float
    drift: Float1D
    level: Float1D
    mixing: Float1D
    jumps: Bool1D
    jump_size: Float1D


def _class_path(
    name: str, law: EquityLaw | CryptoLaw, seed: int, weight: Float1D, regimes: Mapping[str, Int1D]
) -> _ClassPath:
    steps, cells = weight.size, weight.size // STEPS_PER_CELL
    level_scope = "volatility" if isinstance(law, EquityLaw) else "crypto"
    drift_scope = "equity" if isinstance(law, EquityLaw) else "crypto"
    chi2 = stream(seed, f"sample/mixing/{name}").chisquare(law.tail_index, cells)
    chance = STEPS_PER_YEAR**-1 * law.jumps.per_year
    jumps = stream(seed, f"sample/jumps/{name}").random(steps) < chance
    size = stream(seed, f"sample/jump_sizes/{name}").standard_normal(steps)
    return _ClassPath(
        name=name,
        law=law,
        weight=weight,
        per_year=SESSIONS_PER_YEAR if isinstance(law, EquityLaw) else DAYS_PER_YEAR,
        drift=_by_regime(law.drift, drift_scope, regimes, steps),
        level=_by_regime(law.volatility, level_scope, regimes, steps),
        mixing=np.sqrt((law.tail_index - 2.0) / chi2),
        jumps=jumps,
        jump_size=law.jumps.mean + law.jumps.sd * size,
    )


def _asset_path(world: WorldParameters, symbol: str, of: _ClassPath, z: Float1D) -> AssetPath:
    asset, law = world.assets[symbol], of.law
    root = np.sqrt(of.weight)
    by_cell = (-1, STEPS_PER_CELL)
    innovation = of.mixing * _row_sums((root * z).reshape(by_cell))
    innovation /= np.sqrt(_row_sums(of.weight.reshape(by_cell)))
    garch = _garch(innovation, law.alpha, law.beta)
    gaussian_sd = (
        of.level * asset.scale * root / sqrt(of.per_year) * np.repeat(np.sqrt(garch), STEPS_PER_CELL)
    )
    own = stream(world.seed, f"sample/own_jumps/{symbol}").standard_normal(z.size)
    jump = np.where(of.jumps, asset.scale * of.jump_size + law.jumps.own_sd * own, 0.0)
    drift = of.drift * asset.scale * of.weight / of.per_year
    drift -= law.jumps.per_year * law.jumps.mean * asset.scale / STEPS_PER_YEAR
    sd = gaussian_sd * np.repeat(of.mixing, STEPS_PER_CELL)
    moves = np.concatenate([[np.log(asset.price)], drift + sd * z + jump])
    return AssetPath(of.name, np.cumsum(moves), jump, sd, garch, innovation, of.level)


def _garch(innovation: Float1D, alpha: float, beta: float) -> Float1D:
    level = 1.0 - alpha - beta
    growth = (alpha * innovation[:-1] ** 2 + beta).tolist()
    return np.fromiter(
        accumulate(growth, lambda g, factor: level + g * factor, initial=1.0), np.float64, innovation.size
    )


def _row_sums(block: Float2D) -> Float1D:
    total = block[:, 0].copy()
    for column in range(1, block.shape[1]):
        total += block[:, column]
    return total


def _by_regime(values: Mapping[str, float], scope: str, regimes: Mapping[str, Int1D], steps: int) -> Float1D:
    table = np.array([values[state] for state in STATES[scope]])
    return np.repeat(table[regimes[scope]], STEPS_PER_DAY)[:steps]


def _cholesky(world: WorldParameters, symbols: tuple[str, ...], classes: Mapping[str, str]) -> Float2D:
    matrix = normal_correlation(
        world.correlation, world.classes.equity, world.classes.crypto, symbols, classes
    )
    try:
        return np.linalg.cholesky(matrix).astype(np.float64)
    except np.linalg.LinAlgError as error:
        raise ConfigError(
            "the correlations of the simulated world do not fit together",
            field="correlation",
            value=world.correlation.model_dump(),
            constraint="a positive definite matrix after allowing for fat tails",
            fix="move correlation.across nearer to 0",
        ) from error


def normal_correlation(
    planted: Correlation,
    equity: EquityLaw,
    crypto: CryptoLaw,
    symbols: tuple[str, ...],
    classes: Mapping[str, str],
) -> Float2D:
    """Return the correlation of the normals that gives returns the planted one, shape ``(assets, assets)``.

    Two classes have independent mixing variables, which lowers the correlation of their returns by
    ``E[s] E[s']`` with ``E[s] = sqrt((nu - 2) / 2) Gamma((nu - 1) / 2) / Gamma(nu / 2)``; this undoes it.
    """
    loss = _mean_mixing(equity.tail_index) * _mean_mixing(crypto.tail_index)
    matrix = np.eye(len(symbols))
    for i, first in enumerate(symbols):
        for j, second in enumerate(symbols[:i]):
            same = classes[first] == classes[second]
            inside = planted.equity if classes[first] == "equity" else planted.crypto
            matrix[i, j] = matrix[j, i] = inside if same else planted.across / loss
    return matrix


def _mean_mixing(nu: float) -> float:
    return sqrt((nu - 2.0) / 2.0) * gamma((nu - 1.0) / 2.0) / gamma(nu / 2.0)
