"""Each method asks for the points it should: all of a grid, seeded draws, generations with elites, fronts."""

import itertools

import numpy as np
import pytest

from pipeline.config.search import Evolutionary
from pipeline.optimization.evolutionary import (
    Elitism,
    GaussianMutation,
    Population,
    evolutionary_search,
    fittest,
)
from pipeline.optimization.grid import grid_search, grid_size
from pipeline.optimization.hybrid import hybrid_search
from pipeline.optimization.pareto import pareto_search, undominated
from pipeline.optimization.sampling import coverage, random_search
from pipeline.optimization.search import drive
from pipeline.optimization.space import Axis, Space

GRID = Space((Axis("a", "values", values=(1, 2, 3)), Axis("b", "values", values=("x", "y"))))
RANGES = Space((Axis("a", "uniform", low=0, high=100, whole=True), Axis("b", "uniform", low=0.0, high=1.0)))


def hill(points):
    return np.array([[-(((p["a"] - 37) / 50) ** 2) - (p["b"] - 0.3) ** 2] for p in points])


def blocks_of(search, goals):
    asked = [next(search)]
    try:
        while True:
            asked.append(search.send(goals(asked[-1])))
    except StopIteration:
        return asked


def test_a_grid_is_every_combination_once_in_blocks():
    asked = blocks_of(grid_search(GRID, block=4), lambda points: np.zeros((len(points), 1)))
    assert [len(block) for block in asked] == [4, 2]
    points = [(p["a"], p["b"]) for block in asked for p in block]
    assert points == [(1, "x"), (1, "y"), (2, "x"), (2, "y"), (3, "x"), (3, "y")]
    assert grid_size(GRID) == 6


def test_random_draws_depend_on_the_seed_alone_and_not_on_their_number():
    few, many = (drive(random_search(RANGES, n, 42), hill) for n in (10, 100))
    assert many[:10] == few
    assert drive(random_search(RANGES, 10, 43), hill) != few
    assert all(isinstance(p["a"], int) and 0 <= p["a"] <= 100 for p in many)


def test_blocks_of_random_search_join_to_the_same_draws():
    assert drive(random_search(RANGES, 30, 42, block=7), hill) == drive(random_search(RANGES, 30, 42), hill)


def test_coverage_is_the_share_of_values_or_tenths_that_were_seen():
    space = Space((Axis("a", "values", values=(1, 2, 3, 4)), Axis("b", "uniform", low=0.0, high=1.0)))
    points = [{"a": 1, "b": 0.05}, {"a": 2, "b": 0.07}, {"a": 1, "b": 1.0}]
    assert coverage(space, points) == {"a": 0.5, "b": 0.2}


def test_evolution_climbs_a_hill_and_repeats_itself_to_the_bit():
    asked = drive(evolutionary_search(RANGES, Evolutionary()), hill)
    assert asked == drive(evolutionary_search(RANGES, Evolutionary()), hill)
    drawn = drive(random_search(RANGES, len(asked), 42), hill)
    assert hill(asked).max() > hill(drawn).max()
    assert hill(asked).max() > -1e-3


def test_a_generation_is_one_block_and_elites_are_not_asked_for_again():
    asked = blocks_of(evolutionary_search(RANGES, Evolutionary()), hill)
    assert [len(block) for block in asked] == [20] + [18] * 9
    everyone = [tuple(p.values()) for block in asked for p in block]
    for before, block in itertools.pairwise(asked):
        living = {tuple(p.values()) for p in before}
        assert not living & {tuple(p.values()) for p in block}, "a child that equals a living member"
    assert len(set(everyone)) > 150


def test_evolution_begins_with_the_points_it_is_given():
    start = [{"a": 37, "b": 0.3}, {"a": 500, "b": 0.5}]
    first = next(evolutionary_search(RANGES, Evolutionary(), start))
    assert first[0] == {"a": 37, "b": 0.3}
    assert first[1] == {"a": 100, "b": 0.5}, "clipped into the range"
    assert len(first) == 20


def test_a_space_smaller_than_a_population_is_asked_for_once():
    tiny = Space((Axis("a", "uniform", low=1, high=3, whole=True),))
    asked = drive(evolutionary_search(tiny, Evolutionary()), lambda points: np.zeros((len(points), 1)))
    assert sorted(p["a"] for p in asked[:3]) == [1, 2, 3]
    assert len(asked) < 10


def test_an_unknown_score_loses_every_tournament():
    def blind(points):
        return np.where(np.array([[p["a"] > 50] for p in points]), np.nan, hill(points))

    asked = drive(evolutionary_search(RANGES, Evolutionary()), blind)
    late = [p["a"] for p in asked[-36:]]
    assert np.mean([a > 50 for a in late]) < 0.2


def test_mutation_moves_a_fifth_of_the_parameters_by_a_tenth_of_the_range():
    rng = np.random.default_rng(3)
    before = np.column_stack([np.full(20_000, 50.0), np.full(20_000, 0.5)])
    after = GaussianMutation(RANGES, 0.2, 0.1)._do(None, before, random_state=rng)
    moved = after != before
    assert moved.mean() == pytest.approx(0.2, abs=0.01)
    steps = (after - before)[:, 0][moved[:, 0]]
    assert steps.std() == pytest.approx(10.0, rel=0.03)
    edge = GaussianMutation(RANGES, 1.0, 1.0)._do(None, before, random_state=rng)
    assert edge[:, 0].min() == 0.0
    assert edge[:, 0].max() == 100.0


def test_two_parents_live_on_with_all_children():
    pop = Population.new("X", np.arange(7.0)[:, None])
    pop.set("F", np.array([[3.0], [1.0], [2.0], [0.5], [9.0], [9.0], [9.0]]))
    lived = Elitism(2, 4)._do(None, pop, n_survive=5)
    assert lived.get("X")[:, 0].tolist() == [3.0, 1.0, 4.0, 5.0, 6.0]


def test_a_tournament_is_won_by_the_fittest_and_by_the_earlier_of_equals():
    pop = Population.new("X", np.zeros((4, 1)))
    pop.set("F", np.array([[2.0], [1.0], [1.0], [5.0]]))
    assert fittest(pop, np.array([[0, 3, 2], [2, 1, 3], [3, 3, 0]])).tolist() == [2, 2, 0]


def test_the_hybrid_walks_the_grid_then_evolves_from_its_best():
    coarse = Space((Axis("a", "values", values=(0, 40, 80)), Axis("b", "values", values=(0.1, 0.9))))
    asked = blocks_of(hybrid_search(coarse, RANGES, Evolutionary(seed_top_n=3)), hill)
    assert len(asked[0]) == 6
    assert asked[1][0] == {"a": 40, "b": 0.1}, "the best of the grid begins"
    assert len(asked) == 11


def two_goals(points):
    return np.array([[-abs(p["a"] - 20), -abs(p["a"] - 60) - p["b"]] for p in points], dtype=np.float64)


def test_pareto_finds_the_front_between_two_goals():
    asked = drive(pareto_search(RANGES, Evolutionary(), 2), two_goals)
    assert asked == drive(pareto_search(RANGES, Evolutionary(), 2), two_goals)
    front = [p for p, on in zip(asked, undominated(two_goals(asked)), strict=True) if on]
    assert len(front) >= 5
    assert all(18 <= p["a"] <= 62 for p in front)


def test_nothing_on_the_front_is_dominated_and_unknown_goals_are_not_on_it():
    goals = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.5, 0.5], [np.nan, 9.0]])
    assert undominated(goals).tolist() == [True, True, False, True, False]
    assert not undominated(np.full((2, 2), np.nan)).any()
