"""A strategy whose weights are those of the random books, each parameter set another book."""

from dataclasses import dataclass

import numpy as np

from pipeline.strategies.port import Parameters
from tests.support.random_books import random_weights


class Draw(Parameters):
    """Seed of the weights; a factor on them; every so many rows they may change."""

    seed: int = 0
    scale: float = 1.0
    hold: int = 1


@dataclass(frozen=True)
class RandomWeights:
    name = "RandomWeights"
    version = "1"
    params_model = Draw
    regimes = ()

    universe: tuple[str, ...]

    def features(self, params):
        return ()

    def weights(self, context, params):
        drawn = params.scale * random_weights(np.random.default_rng(params.seed), context.panel)
        drawn = drawn[np.arange(context.panel.n_bars) // params.hold]
        return drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1.0)
