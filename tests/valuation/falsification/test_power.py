"""Power: planted paths are what was fitted, p values count the observed path, curves are read right."""

import numpy as np
import pytest

from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.falsification.history_run import run_history
from pipeline.valuation.falsification.power import (
    Residual,
    fit_residual,
    longest,
    only,
    p_values,
    planted_paths,
    power_of,
)
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.falsification.setting import compile_models
from pipeline.valuation.falsification.walks import score_paths
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from tests.support.chain_histories import simulated_history

SINGLE = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
MODELS = (*SINGLE, Ensemble(members=SINGLE[:3], weights=(0.5, 0.3, 0.2)))


def came_back(half_life, n=6000, seed=2):
    kept = 0.5 ** (1.0 / half_life)
    noise = np.random.default_rng(seed).standard_normal(n) * np.sqrt(1.0 - kept**2)
    u = np.zeros(n)
    for t in range(1, n):
        u[t] = kept * u[t - 1] + noise[t]
    return u


def test_a_p_value_counts_the_observed_path_and_ties():
    null = np.array([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(p_values(np.array([2.5, 2.0, 9.0, -1.0]), null), [0.4, 0.6, 0.2, 1.0])


def test_a_walk_without_a_skill_counts_against_the_model_and_no_skill_has_no_p():
    assert p_values(np.array(5.0), np.array([np.nan, 0.0, 0.0])) == 0.5
    assert np.isnan(p_values(np.array(np.nan), np.zeros(3)))


@pytest.mark.parametrize("half_life", [20.0, 60.0])
def test_the_half_life_and_spread_of_a_residual_are_recovered(half_life):
    found = fit_residual(0.5 * came_back(half_life))
    assert found.half_life == pytest.approx(half_life, rel=0.25)
    assert found.sd == pytest.approx(0.5, rel=0.15)
    assert found.innovations.mean() == pytest.approx(0.0, abs=1e-12)


def test_a_residual_that_runs_away_never_comes_back():
    assert fit_residual(1.01 ** np.arange(400.0)).half_life == np.inf


@pytest.mark.parametrize("place", range(len(MODELS)), ids=[each.name for each in MODELS])
def test_planted_paths_keep_to_their_model_with_the_residual_asked_for(place):
    compiled = compile_models(MODELS, simulated_history(1500), (30, 90))
    run = run_history(compiled)
    single = only(compiled.setting, place)
    used = np.isfinite(compiled.setting.weights[place])
    residual = Residual(0.2, 30.0, np.random.default_rng(1).standard_normal(1400))
    paths = planted_paths(
        single, run.weights[place][used], run.level[used], run.slope[used], residual, 30.0,
        count=100, seed=6, mean_block=20.0,
    )  # fmt: skip
    assert np.isfinite(paths).all()
    if place > 1:
        return
    x = compiled.setting.x[place]
    off = (paths - run.level[place] - run.slope[place] * x)[:, np.isfinite(x)]
    assert off.std() == pytest.approx(0.2, rel=0.1)
    kept = np.mean(off[:, 1:] * off[:, :-1]) / np.mean(off**2)
    assert np.log(0.5) / np.log(kept) == pytest.approx(30.0, rel=0.2)


def test_a_planted_model_is_more_skilled_than_on_its_random_walks():
    compiled = compile_models((PowerLaw(),), simulated_history(1500, sd=0.05, half_life=15.0), (30, 90))
    run = run_history(compiled)
    rules = BoardRules(planted=100, planted_walks=100, simulations=100, half_lives=(10.0, 400.0))
    power = power_of(compiled, run, 0, rules, threads=1)
    assert power.at_fit[1] > 0.9
    assert power.half_life == pytest.approx(15.0, rel=0.5)
    assert power.curve[10.0][1] > power.curve[400.0][1]
    assert power.detectable[1] >= 10.0


def test_a_model_alone_scores_as_among_others():
    compiled = compile_models(MODELS, simulated_history(1100), (30, 90))
    paths = compiled.y[None, :] + np.linspace(0.0, 1.0, compiled.y.size)
    together = score_paths(compiled.setting, paths)
    for place in range(len(MODELS)):
        alone = score_paths(only(compiled.setting, place), paths)
        np.testing.assert_allclose(alone.skill[:, 0], together.skill[:, place], rtol=1e-12)


def test_the_longest_half_life_lies_where_the_curve_falls_through():
    assert longest({45.0: 1.0, 90.0: 0.6}) == pytest.approx(np.sqrt(45.0 * 90.0))
    assert longest({45.0: 1.0, 90.0: 0.9}) == 90.0
    assert longest({45.0: 0.7, 90.0: 0.9}) is None
    assert longest({}) is None
