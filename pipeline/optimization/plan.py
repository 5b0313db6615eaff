"""From an experiment to its search: which method walks which space."""

from collections.abc import Sequence

from pipeline.config.experiment import Experiment
from pipeline.config.search import Evolutionary, Objective, RandomSearch
from pipeline.optimization.evolutionary import evolutionary_search
from pipeline.optimization.grid import BLOCK, grid_search, grid_size
from pipeline.optimization.hybrid import completed, hybrid_search
from pipeline.optimization.pareto import pareto_search
from pipeline.optimization.sampling import random_search
from pipeline.optimization.search import Plan
from pipeline.optimization.space import Point, Space

GOALS = (
    Objective(metric="sharpe_ratio"),
    Objective(metric="cagr"),
    Objective(metric="win_rate"),
    Objective(metric="max_drawdown", maximize=False),
)
"""The parts of the balanced score, each a goal of its own."""


def objectives_of(experiment: Experiment) -> tuple[Objective, ...]:
    """Return the goals of a search: several for the method pareto, else the one that ranks."""
    chosen = experiment.optimization
    if experiment.method == "pareto":
        return chosen.objectives or GOALS
    return (Objective(metric=chosen.metric, maximize=chosen.maximize),)


def plan_of(experiment: Experiment, spaces: dict[str, Space], start: Sequence[Point] = ()) -> Plan:
    """Return the plan of an experiment.

    Parameters
    ----------
    experiment
        The file; its method is set.
    spaces
        From `pipeline.optimization.space.spaces_of`.
    start
        Best points of an earlier experiment, for the evolutionary method.
    """
    grid, ranges = spaces.get("parameter_grid"), spaces.get("parameter_ranges")
    if experiment.method == "random":
        settings = experiment.random_search or RandomSearch()
        drawn = spaces["parameter_distributions"]
        return Plan(random_search(drawn, settings.n_samples, settings.seed), settings.n_samples, ("random",))
    if ranges is None or experiment.method is None:
        assert grid is not None  # noqa: S101 - every method reads a grid or ranges
        return Plan(grid_search(grid), grid_size(grid), ("grid",))
    settings = experiment.evolutionary or Evolutionary()
    size = settings.population_size
    labels = tuple(f"generation {i + 1}" for i in range(settings.num_generations))
    if experiment.method == "pareto":
        search = pareto_search(ranges, settings, len(objectives_of(experiment)))
        return Plan(search, size * settings.num_generations, labels)
    evolved = size + (size - settings.elitism_count) * (settings.num_generations - 1)
    if grid is not None:
        blocks = -(-grid_size(grid) // BLOCK)
        search = hybrid_search(grid, ranges, settings)
        return Plan(search, grid_size(grid) + evolved, ("grid",) * blocks + labels)

    chosen = completed(start[: settings.seed_top_n], ranges)
    return Plan(evolutionary_search(ranges, settings, chosen), evolved, labels)
