"""Evolutionary search: a generational genetic algorithm with tournaments, built of pymoo's parts.

One generation is one block, so a population is one kernel call.  Whole numbers are rounded before the model
sees them.  The two operators that pymoo lacks in this form are here: Gaussian mutation with a width in shares
of the range, and a survival in which only a few of the parents live on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.survival import Survival
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection

from pipeline.arrays import AnyArray, Float2D, Int2D
from pipeline.config.search import Evolutionary
from pipeline.errors import ModelError
from pipeline.optimization.search import Search
from pipeline.optimization.space import Point, Space
from pipeline.seeds import stream

WORST = 1e18
"""Stands for a goal that is unknown: it loses every tournament and is never an elite before a known one."""


class GaussianMutation(Mutation):
    """Add a normal deviate to a parameter with a fixed probability, then clip to the range.

    Parameters
    ----------
    space
        Ranges.
    rate
        Probability that a parameter of a child mutates.
    strength
        Standard deviation as a share of the range.
    """

    def __init__(self, space: Space, rate: float, strength: float) -> None:
        super().__init__(prob=1.0)
        self.low, self.high = space.bounds
        self.rate, self.sigma = rate, strength * (self.high - self.low)

    def _do(
        self,
        problem: Problem,
        X: Float2D,  # noqa: N803 - pymoo's name
        *_: Any,
        random_state: Any = None,
        **__: Any,
    ) -> Float2D:
        del problem
        hit = random_state.random(X.shape) < self.rate
        step = random_state.standard_normal(X.shape) * self.sigma
        return np.clip(X + np.where(hit, step, 0.0), self.low, self.high)


class Asked(Problem):
    """A space whose members are judged by whoever drives the search, never by pymoo."""

    def _evaluate(self, x: Float2D, out: Any, *_: Any, **__: Any) -> None:
        del x, out
        raise ModelError("a search judges its members itself", field="optimization.evolutionary")


class Legal(Repair):
    """Round what must be whole and clip to the range, so that equal members are seen to be equal."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def _do(self, problem: Problem, X: Float2D, **_: Any) -> Float2D:  # noqa: ARG002, N803 - pymoo's
        return np.array([list(self.space.point(row).values()) for row in X], dtype=np.float64)


class Elitism(Survival):
    """The best ``count`` of the parents and all children make the next generation."""

    def __init__(self, count: int, parents: int) -> None:
        super().__init__(filter_infeasible=False)
        self.count, self.parents = count, parents

    def _do(self, problem: Problem, pop: Any, *_: Any, n_survive: int, **__: Any) -> Population:  # noqa: ARG002
        old, children = pop[: self.parents], pop[self.parents :]
        order = np.argsort(old.get("F")[:, 0], kind="stable")
        room = max(self.count, n_survive - len(children))
        return Population.merge(old[order[:room]], children)


def fittest(pop: Any, rivals: Int2D, **_: Any) -> AnyArray:
    """Return the winner of each tournament: the lowest ``F``, the earliest of equals."""
    fitness = pop.get("F")[:, 0]
    return rivals[np.arange(len(rivals)), np.argmin(fitness[rivals], axis=1)]


def evolutionary_search(space: Space, settings: Evolutionary, start: Sequence[Point] = ()) -> Search:
    """Ask for one generation after another.

    Parameters
    ----------
    space
        Ranges.
    settings
        Sizes, rates and seed.
    start
        Points that begin the first generation, best first; the rest is drawn.  What lies outside the ranges
        is clipped into them.

    Notes
    -----
    Elites are not asked for again, and neither is a child that equals a living member.
    """
    size = settings.population_size
    algorithm = GeneticAlgorithm(
        pop_size=size,
        n_offsprings=size - settings.elitism_count,
        sampling=first_generation(space, size, settings.seed, start),
        selection=TournamentSelection(func_comp=fittest, pressure=settings.tournament_size),
        crossover=UniformCrossover(prob=settings.crossover_rate),
        mutation=GaussianMutation(space, settings.mutation_rate, settings.mutation_strength),
        survival=Elitism(settings.elitism_count, size),
        repair=Legal(space),
        termination=NoTermination(),
    )
    yield from generations(algorithm, space, settings, objectives=1)


def generations(algorithm: GeneticAlgorithm, space: Space, settings: Evolutionary, objectives: int) -> Search:
    """Drive a pymoo algorithm by asking and telling for the configured number of generations."""
    low, high = space.bounds
    algorithm.setup(Asked(n_var=len(space.axes), n_obj=objectives, xl=low, xu=high))
    algorithm.random_state = stream(settings.seed, "optimization/evolution")
    for _ in range(settings.num_generations):
        members = algorithm.ask()
        if members is None or not len(members):
            return
        goals = yield [space.point(x) for x in members.get("X")]
        members.set("F", np.where(np.isnan(goals), WORST, -goals))
        for member in members:
            member.evaluated = {"F"}
        algorithm.tell(infills=members)


def first_generation(space: Space, size: int, seed: int, start: Sequence[Point] = ()) -> Population:
    """Return the first generation: the given points, then draws that differ from all before them.

    A space with fewer legal points than ``size`` gives a smaller generation.
    """
    draws = stream(seed, "optimization/first generation")
    rows: dict[tuple[float, ...], None] = {}
    for point in start[:size]:
        rows[tuple(float(axis.legal(point[axis.name])) for axis in space.axes)] = None
    for _ in range(100 * size):
        if len(rows) >= size:
            break
        rows[
            tuple(
                float(axis.at(u)) for axis, u in zip(space.axes, draws.random(len(space.axes)), strict=True)
            )
        ] = None
    return Population.new("X", np.array(list(rows)))
