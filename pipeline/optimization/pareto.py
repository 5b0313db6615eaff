"""Pareto search: NSGA-II over several goals, and which members no other one dominates."""

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from pipeline.arrays import Bool1D, Float2D
from pipeline.config.search import Evolutionary
from pipeline.optimization.evolutionary import GaussianMutation, Legal, first_generation, generations
from pipeline.optimization.search import Search
from pipeline.optimization.space import Space


def pareto_search(space: Space, settings: Evolutionary, objectives: int) -> Search:
    """Ask for the generations of NSGA-II (Deb et al. 2002) with this desk's crossover and mutation.

    Selection (binary tournaments by rank and crowding) and survival are NSGA-II's own, so ``tournament_size``
    and ``elitism_count`` do not apply.
    """
    size = settings.population_size
    algorithm = NSGA2(
        pop_size=size,
        sampling=first_generation(space, size, settings.seed),
        crossover=UniformCrossover(prob=settings.crossover_rate),
        mutation=GaussianMutation(space, settings.mutation_rate, settings.mutation_strength),
        repair=Legal(space),
        termination=NoTermination(),
    )
    yield from generations(algorithm, space, settings, objectives)


def undominated(goals: Float2D) -> Bool1D:
    """Return which members no other one dominates; a member with an unknown goal is not one of them.

    Parameters
    ----------
    goals
        Shape ``(members, objectives)``, more is better.
    """
    known = np.flatnonzero(~np.isnan(goals).any(axis=1))
    answer = np.zeros(len(goals), dtype=np.bool_)
    if known.size:
        answer[known[NonDominatedSorting().do(-goals[known], only_non_dominated_front=True)]] = True
    return answer
