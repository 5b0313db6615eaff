"""Random walks are made of the sample's returns, drift as told, and do not depend on threads."""

import numpy as np
import pytest

from pipeline.errors import InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.falsification.setting import compile_models
from pipeline.valuation.falsification.walks import returns_of, score_paths, score_walks, walks
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from tests.support.chain_histories import simulated_history

SINGLE = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
MODELS = (*SINGLE, Ensemble(members=SINGLE, weights="fitted"))


@pytest.fixture(scope="module")
def compiled():
    return compile_models(MODELS, simulated_history(1100), (30, 90))


def test_walks_keep_the_first_price_and_consist_of_returns_of_the_sample():
    y = np.log(simulated_history(500).column("price_usd"))
    made = walks(y, draws=100, drift=1.0, seed=3)
    assert np.all(made[:, 0] == y[0])
    steps, own = np.diff(made[7]), np.sort(np.diff(y))
    nearest = own[np.clip(np.searchsorted(own, steps), 1, own.size - 1)]
    below = own[np.clip(np.searchsorted(own, steps) - 1, 0, own.size - 1)]
    assert np.max(np.minimum(abs(nearest - steps), abs(below - steps))) < 1e-12


@pytest.mark.parametrize("drift", [0.0, 1.0, 2.0])
def test_walks_drift_by_multiples_of_the_mean_return(drift):
    y = np.cumsum(0.002 + 0.01 * np.random.default_rng(5).standard_normal(1000))
    made = walks(y, draws=400, drift=drift, seed=3)
    mean = returns_of(y).mean
    gained = (made[:, -1] - made[:, 0]) / (y.size - 1)
    error = gained.std(ddof=1) / np.sqrt(gained.size)
    assert gained.mean() == pytest.approx(drift * mean, abs=4.0 * error)


def test_blocks_keep_returns_together_and_single_days_do_not():
    alternating = np.cumsum(np.tile([0.01, -0.01], 500) + 1e-4 * np.arange(1000) / 1000)
    together = np.diff(walks(alternating, draws=100, drift=1.0, seed=1, mean_block=50.0), axis=1)
    alone = np.diff(walks(alternating, draws=100, drift=1.0, seed=1, mean_block=1.0), axis=1)
    assert np.mean(together[:, 1:] * together[:, :-1] < 0.0) > 0.95
    assert np.mean(alone[:, 1:] * alone[:, :-1] < 0.0) == pytest.approx(0.5, abs=0.02)


def test_a_day_without_a_price_is_unknown_in_every_walk():
    y = np.log(simulated_history(500).column("price_usd"))
    y[100:110] = np.nan
    made = walks(y, draws=100, drift=0.0, seed=3)
    assert np.isnan(made[:, 100:110]).all()
    assert np.isfinite(np.delete(made, np.arange(100, 110), axis=1)).all()


def test_a_walk_needs_two_returns():
    with pytest.raises(InsufficientDataError, match="too few daily returns"):
        walks(np.array([1.0, np.nan, 2.0]), draws=100, drift=0.0, seed=3)


def test_a_price_that_never_moves_makes_no_walk():
    with pytest.raises(InsufficientDataError, match="all the same"):
        returns_of(np.full(400, 4.0))
    with pytest.raises(InsufficientDataError, match="all the same"):
        returns_of(0.001 * np.arange(400.0))


def test_scores_do_not_depend_on_threads(compiled):
    samples = (returns_of(compiled.y),)
    one, two, three = (
        score_walks(compiled.setting, samples, compiled.y[0], draws=101, seed=4, threads=threads)
        for threads in (1, 2, 3)
    )
    for other in (two, three):
        np.testing.assert_array_equal(one.skill, other.skill)
        np.testing.assert_array_equal(one.unit_root, other.unit_root)
    assert np.isfinite(one.skill).all()


def test_a_walk_scored_in_the_kernel_is_the_walk_that_is_shown(compiled):
    scored = score_walks(
        compiled.setting, (returns_of(compiled.y),), compiled.y[0], draws=100, drifts=(2.0,), seed=4
    )
    shown = walks(compiled.y, draws=100, drift=2.0, seed=4)
    np.testing.assert_array_equal(scored.skill[0], score_paths(compiled.setting, shown).skill)


def test_skill_is_one_less_the_ratio_of_squared_errors_to_those_of_each_base(compiled):
    from pipeline.valuation.falsification.history_run import run_history

    run, y, setting = run_history(compiled), compiled.y, compiled.setting
    j = compiled.column(90)
    origin = np.arange(setting.scored, y.size - 89)
    came, last = y[origin + 89], y[origin - 1]
    own = came - run.forecasts[0][j, origin - setting.first]
    drift = np.array([np.mean(np.diff(y[:o])) for o in origin])
    for base, off in enumerate((came - last, came - last - 90 * drift)):
        expected = 1.0 - np.mean(own**2) / np.mean(off**2)
        assert run.scores.skill[0, j, base] == pytest.approx(expected, rel=1e-10)
    assert run.scored[0, j] == origin.size
