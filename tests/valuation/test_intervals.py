"""Intervals come from errors at the same horizon, and what they covered is measured."""

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.metrics import coverage
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.past_intervals import past_bounds, past_errors
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.record import record_of, scores_of
from pipeline.valuation.residuals import (
    IN_SAMPLE,
    PROBABILITIES,
    WALK_FORWARD,
    ErrorQuantiles,
    diagnose,
    interval_around,
    walk_forward_quantiles,
)
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import calibrate, calibrate_or_flag, walk_forward
from tests.support.chain_histories import simulated_history


@pytest.fixture(scope="module")
def history():
    return simulated_history(1800)


def test_the_bounds_are_the_quantiles_of_the_walk_forward_errors(history):
    model = calibrate(PowerLaw(), history)
    walk = walk_forward(PowerLaw(), history)
    for column, horizon in enumerate((1, 30, 90, 365)):
        day = history.date[-1].item() + timedelta(days=horizon)
        said = model.predict(day, level=0.95)
        errors = walk.error[np.isfinite(walk.error[:, column]), column]
        low, high = np.quantile(errors, [0.025, 0.975])
        assert said.metadata["interval"] == WALK_FORWARD
        assert said.confidence_interval.lower == pytest.approx(said.predicted_price * np.exp(low), rel=1e-12)
        assert said.confidence_interval.upper == pytest.approx(said.predicted_price * np.exp(high), rel=1e-12)


def test_intervals_of_a_fit_alone_are_flagged(history):
    said = PowerLaw().fit(history).predict(history.date[-1].item() + timedelta(days=30))
    assert said.metadata["interval"] == IN_SAMPLE


def test_too_short_a_history_for_errors_is_flagged_or_refused():
    short = simulated_history(420)
    assert calibrate_or_flag(PowerLaw(), short).fitted.errors.kind == IN_SAMPLE
    with pytest.raises(InsufficientDataError):
        calibrate(PowerLaw(), short)


def table(kind=WALK_FORWARD):
    spread = PROBABILITIES - 0.5
    return ErrorQuantiles(kind, (1, 100), np.array([spread, 2.0 * spread]), (500, 400))


def test_between_horizons_quantiles_are_linear_in_the_root_of_time():
    np.testing.assert_allclose(table().at(1), table().table[0])
    np.testing.assert_allclose(table().at(100), table().table[1])
    halfway = (1.0 + np.sqrt(100)) / 2.0
    np.testing.assert_allclose(table().at(round(halfway**2)), 1.5 * table().table[0], rtol=0.01)
    np.testing.assert_allclose(table().at(400), 2.0 * table().table[1])
    np.testing.assert_allclose(table(IN_SAMPLE).at(400), table().table[0])


@pytest.mark.parametrize("level", [0.0, 1.0, 0.995, -0.5, float("nan")])
def test_a_level_whose_tails_are_not_kept_is_refused(level):
    with pytest.raises(ConfigError):
        table().bounds(level, 1)


def test_the_bounds_of_a_level_are_central():
    assert table().bounds(0.68, 1) == pytest.approx((-0.34, 0.34))
    assert table().bounds(0.95, 1) == pytest.approx((-0.475, 0.475))


def test_a_horizon_with_few_errors_has_no_quantiles():
    errors = np.full((300, 2), np.nan)
    errors[:, 0] = np.linspace(-1.0, 1.0, 300)
    errors[:50, 1] = 1.0
    assert walk_forward_quantiles(errors, (1, 30)).horizons == (1,)


def test_an_interval_of_a_biased_model_is_stretched_to_its_price():
    kept, moved = interval_around(100.0, 120.0, 150.0)
    assert moved
    assert kept.lower < 100.0 < kept.upper == 150.0
    assert interval_around(100.0, 80.0, 150.0)[1] is False


def test_past_intervals_use_only_errors_that_were_known(history):
    walk = walk_forward(PowerLaw(), history)
    lower, upper = past_bounds(PowerLaw(), walk, history, (0.68,))[0.68]
    number = 20
    day = np.datetime64(walk.fits[number].day)
    rows = walk.fit_of == number
    for column, horizon in enumerate((1, 30)):
        known = walk.error[walk.targets(horizon) < day, column]
        low, high = np.quantile(known, [0.16, 0.84])
        np.testing.assert_allclose(lower[rows, column], walk.forecast[rows, column] * np.exp(low))
        np.testing.assert_allclose(upper[rows, column], walk.forecast[rows, column] * np.exp(high))
    assert np.isnan(lower[walk.fit_of == 0]).all()


@pytest.mark.parametrize(
    "model",
    [PowerLaw(), Ensemble(members=(PowerLaw(), Thermocap(), MvrvBands()), weights=(0.2, 0.5, 0.3))],
    ids=["power_law", "ensemble"],
)
def test_a_past_interval_is_the_one_that_a_calibrated_model_would_have_given(model, history):
    walk = walk_forward(model, history)
    bounds = past_bounds(model, walk, history, (0.68, 0.95))
    day = date(2014, 9, 1)
    row = int(np.flatnonzero(walk.origins == np.datetime64(day))[0])
    then = calibrate(model, history.at_origin(day))
    for column, horizon in enumerate((1, 30, 90)):
        for level, (lower, upper) in bounds.items():
            said = then.predict(day + timedelta(days=horizon - 1), level=level).confidence_interval
            assert said.lower == pytest.approx(lower[row, column], rel=1e-12)
            assert said.upper == pytest.approx(upper[row, column], rel=1e-12)


def test_no_past_interval_moves_when_later_rows_are_appended(history):
    short = history.before(date(2014, 6, 1))
    for model in (PowerLaw(), Ensemble(members=(PowerLaw(), MvrvBands()))):
        before = past_bounds(model, walk_forward(model, short), short, (0.68,))[0.68]
        after = past_bounds(model, walk_forward(model, history), history, (0.68,))[0.68]
        for old, new in zip(before, after, strict=True):
            assert old.tobytes() == new[: old.shape[0]].tobytes()


def test_coverage_counts_the_past_intervals_that_held_the_price(history):
    walk = walk_forward(PowerLaw(), history)
    lower, upper = past_bounds(PowerLaw(), walk, history, (0.68,))[0.68]
    record = record_of(PowerLaw(), history, horizons=walk.horizons, levels=(0.68,))
    for column, horizon in enumerate((1, 30, 90, 365)):
        known = np.isfinite(lower[:, column]) & np.isfinite(walk.actual[:, column])
        held = (lower[:, column] <= walk.actual[:, column]) & (walk.actual[:, column] <= upper[:, column])
        (found,) = scores_of(record, horizon, seed=0).coverage
        assert found.value == held[known].mean()
        assert found.n == known.sum()


def test_coverage_is_what_was_inside_with_bounds_around_it():
    rng = np.random.default_rng(4)
    inside = rng.random(2000) < 0.68
    found = coverage(inside, level=0.68, horizon=1, seed=3)
    assert found.value == inside.mean()
    assert found.low < found.value < found.high
    assert 0.02 < found.high - found.low < 0.08
    again = coverage(inside, level=0.68, horizon=1, seed=3)
    assert again == found
    clumped = np.repeat(inside[:100], 20)
    wider = coverage(clumped, level=0.68, horizon=1, seed=3)
    assert wider.high - wider.low > found.high - found.low


def test_coverage_of_few_days_has_no_bounds_and_of_none_no_value():
    assert coverage(np.ones(40, bool), level=0.68, horizon=1, seed=3).low is None
    assert coverage(np.ones(0, bool), level=0.68, horizon=1, seed=3).value is None


def test_diagnostics_equal_those_of_statsmodels():
    from statsmodels.stats.stattools import durbin_watson
    from statsmodels.tsa.stattools import acf

    rng = np.random.default_rng(5)
    residual = np.cumsum(rng.standard_normal(500)) * 0.1
    found = diagnose(residual, residual + np.linspace(0.0, 9.0, 500))
    assert found.durbin_watson == pytest.approx(durbin_watson(residual), rel=1e-12)
    assert found.autocorrelation == pytest.approx(acf(residual, nlags=1)[1], rel=1e-10)
    assert found.residual_sd == pytest.approx(np.sqrt(np.mean(residual**2)))
    assert found.to_dict()["n"] == 500


def test_diagnostics_of_a_perfect_fit_are_unknown_where_they_divide_by_nothing():
    found = diagnose(np.zeros(10), np.arange(10.0))
    assert found.autocorrelation is None
    assert found.durbin_watson is None
    assert found.r_squared == 1.0


def test_an_error_whose_price_came_after_the_refit_is_in_no_interval_of_it(history):
    """The row before the newest one came twelve hours after it: the refit did not wait."""
    model, day = PowerLaw(), np.datetime64("2014-03-01")
    row = int((day - history.date[0]) / DAY) - 2
    known_at = history.known_at.copy()
    known_at[row] += np.timedelta64(36, "h")
    price = history.columns["price_usd"].copy()
    walks = []
    for factor in (1.0, 3.0):
        price[row] *= factor
        late = ChainHistory(history.date, known_at, {**history.columns, "price_usd": price.copy()})
        walk = walk_forward(model, late, horizons=(1,))
        walks.append(past_errors(walk, late)[day])
    np.testing.assert_array_equal(walks[0].table, walks[1].table)
    assert walks[0].n == walks[1].n
