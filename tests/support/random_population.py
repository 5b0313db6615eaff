"""A strategy whose parameter is a seed, and whose weights are those of the random books."""

from dataclasses import dataclass

import numpy as np

from pipeline.strategies.port import Parameters
from tests.support.random_books import random_weights


class Seed(Parameters):
    seed: int = 0
    scale: float = 1.0


@dataclass(frozen=True)
class RandomWeights:
    name = "RandomWeights"
    version = "1"
    params_model = Seed
    regimes = ()

    universe: tuple[str, ...]

    def features(self, params):
        return ()

    def weights(self, context, params):
        drawn = params.scale * random_weights(np.random.default_rng(params.seed), context.panel)
        return drawn * [symbol in self.universe for symbol in context.symbols]
