"""Random strategies trade as much, hold as long and are as invested as the run they are compared with."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backtest.random_controls import bests_of, percentile, random_runs, ring_of, shuffled
from pipeline.backtest.rerun import Account
from pipeline.backtest.rules import Rules, Tradable
from tests.support.random_books import random_panel


def drawn(seed, rows, states=4, assets=2):
    """Weights that hold one of a few states for a random while."""
    rng = np.random.default_rng(seed)
    levels = np.round(rng.random((states, assets)), 2)
    lengths = rng.geometric(0.2, rows)
    return np.repeat(levels[rng.integers(states, size=rows)], lengths, axis=0)[:rows]


def stretches(weights):
    """The stretches on the ring: (state, length), and the transitions between neighbours."""
    rows = [tuple(row) for row in weights]
    change = [i for i in range(len(rows)) if rows[i] != rows[i - 1]]
    if not change:
        return Counter({(rows[0], len(rows)): 1}), Counter()
    ends = [*change[1:], change[0] + len(rows)]
    held = Counter((rows[a], b - a) for a, b in zip(change, ends, strict=True))
    moves = Counter(frozenset((rows[a - 1], rows[a])) for a in change)
    return held, moves


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.integers(1, 5))
def test_stretches_and_transitions_are_exactly_those_of_the_run(seed, rows, states):
    weights = drawn(seed, rows, states)
    made = shuffled(ring_of(weights), np.random.default_rng(seed + 1))
    assert made.shape == weights.shape
    assert stretches(made) == stretches(weights)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 200))
def test_exposure_and_turnover_of_targets_stay_on_the_ring(seed, rows):
    weights = drawn(seed, rows)
    made = shuffled(ring_of(weights), np.random.default_rng(seed + 1))
    np.testing.assert_allclose(made.mean(axis=0), weights.mean(axis=0), rtol=1e-12)
    turned = [np.abs(w - np.roll(w, 1, axis=0)).sum() for w in (made, weights)]
    assert turned[0] == pytest.approx(turned[1], rel=1e-12)


def test_every_order_of_the_same_transitions_is_equally_likely():
    """Three loops at one state have two orders on a ring; 6,000 draws, four standard deviations of room."""
    order = np.array([0, 1, 0, 2, 0, 3])
    weights = order[:, None].astype(float)
    counts = Counter()
    for seed in range(6000):
        made = shuffled(ring_of(weights), np.random.default_rng(seed))[:, 0].astype(int).tolist()
        at = made.index(1)
        turned = made[at:] + made[:at]
        counts[tuple(x for x in turned if x)] += 1
    assert set(counts) == {(1, 2, 3), (1, 3, 2)}
    assert abs(counts[1, 2, 3] - 3000) < 4 * math.sqrt(1500)


def test_weights_that_never_repeat_are_turned_around_the_ring():
    weights = np.arange(50.0)[:, None]
    seen = set()
    for seed in range(200):
        made = shuffled(ring_of(weights), np.random.default_rng(seed))[:, 0]
        steps = np.diff(np.append(made, made[0]))
        assert sorted(made) == list(range(50))
        assert len(set(steps)) == 2
        seen.add((made[0], steps[0]))
    assert len(seen) > 70


@pytest.fixture(scope="module")
def account():
    rng = np.random.default_rng(2)
    panel = random_panel(rng, bars=1500, assets=2)
    weights = np.repeat((rng.random((100, 2)) > 0.5) * 0.4, 15, axis=0)
    rules = Rules(
        drawdown_trigger=math.inf, drawdown_release=math.inf, drawdown_halt=math.inf, volume_share=math.inf
    )
    assets = (Tradable("C0", "crypto", always_open=True), Tradable("E1", "equity"))
    return Account(panel, weights, assets, rules, start=100)


def test_random_runs_spread_around_the_turnover_and_exposure_of_the_run(account):
    own = account.run("own").metrics
    runs = random_runs(account, 60, seed=8)
    assert np.mean([run.turnover for run in runs]) == pytest.approx(own.turnover, rel=0.10)
    assert np.mean([run.mean_exposure for run in runs]) == pytest.approx(own.mean_exposure, rel=0.10)


def test_more_random_runs_begin_with_the_same_ones_and_each_is_recorded(account):
    account.runs.clear()
    few, many = random_runs(account, 3, seed=8), random_runs(account, 6, seed=8)
    assert many[:3] == few
    assert random_runs(account, 3, seed=9) != few
    assert len(account.runs) == 12
    assert len({run.digest for run in account.runs[3:9]}) == 6


def test_the_best_of_many_gaussians_is_where_theory_puts_it():
    rng = np.random.default_rng(1)
    for n, expected in ((1, 0.0), (20, 1.867), (100, 2.508)):
        middles = [bests_of(rng.normal(size=200), n, seed=k).mean() for k in range(40)]
        assert np.mean(middles) == pytest.approx(expected, abs=0.15)


def test_the_share_of_bests_below_counts_ties_half():
    assert percentile(2.0, np.array([1.0, 2.0, 2.0, 3.0])) == 0.5
    assert percentile(9.0, np.array([1.0, 2.0])) == 1.0
    assert percentile(0.0, np.array([1.0, 2.0])) == 0.0


def test_a_random_strategy_is_seldom_called_better_than_random():
    """Its percentile among bests of one is uniform: 5 % of 400 lie above 0.95, with three sigma of room."""
    rng = np.random.default_rng(3)
    high = [percentile(rng.normal(), bests_of(rng.normal(size=100), 1, seed=k)) > 0.95 for k in range(400)]
    assert np.mean(high) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
