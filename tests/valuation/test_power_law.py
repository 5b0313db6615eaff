"""The power law: published vectors, and the least squares line of a planted one."""

from datetime import date

import numpy as np
import pytest

from pipeline.errors import ConfigError, FitError, InsufficientDataError, NotFittedError
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.power_law import PowerLaw, band, days_since_genesis, fair_value
from tests.support.chain_histories import simulated_history

ALPHA, BETA, SIGMA = -17.01, 5.82, 0.32


@pytest.mark.parametrize(
    ("day", "days", "price"),
    [
        (date(2025, 12, 25), 6200, 115_270.89),
        (date(2025, 1, 1), 5842, 81_543.29),
        (date(2020, 1, 1), 4015, 9_192.84),
        (date(2017, 12, 17), 3270, 2_783.99),
        (date(2013, 12, 1), 1793, 84.30),
    ],
)
def test_the_published_coefficients_give_the_published_prices(day, days, price):
    assert days_since_genesis(day) == days
    assert fair_value(day, alpha=ALPHA, beta=BETA) == pytest.approx(price, abs=0.005)


def test_the_band_is_one_sigma_either_way():
    inner = band(date(2025, 12, 25), alpha=ALPHA, beta=BETA, sigma=SIGMA)
    assert inner.lower == pytest.approx(55_172.12, abs=0.005)
    assert inner.upper == pytest.approx(240_835.02, abs=0.005)


@pytest.mark.parametrize("day", [date(2009, 1, 3), date(2009, 1, 2), date(1999, 1, 1)])
def test_there_is_no_price_on_or_before_genesis(day):
    with pytest.raises(ConfigError):
        fair_value(day, alpha=ALPHA, beta=BETA)
    with pytest.raises(ConfigError):
        PowerLaw().fit(simulated_history(400)).predict(day)


def test_it_says_nothing_before_it_is_fitted():
    model = PowerLaw()
    assert not model.is_fitted
    with pytest.raises(NotFittedError) as refused:
        model.predict(date(2020, 1, 1))
    assert refused.value.exit_code == 3


def test_fitting_returns_a_copy():
    model = PowerLaw()
    fitted = model.fit(simulated_history(400))
    assert fitted.is_fitted
    assert not model.is_fitted


def test_it_recovers_a_planted_slope():
    fitted = PowerLaw().fit(simulated_history(4550, sd=0.01, half_life=5.0)).fitted
    assert fitted.parameters.beta == pytest.approx(5.7, abs=0.01)
    assert fitted.parameters.r_squared > 0.999
    assert fitted.parameters.n == 4550


def test_sigma_divides_by_two_fewer_than_the_points():
    history = simulated_history(400)
    fitted = PowerLaw().fit(history).fitted.parameters
    age = (history.date - np.datetime64("2009-01-03")).astype(float)
    off = np.log10(history.columns["price_usd"]) - fitted.alpha - fitted.beta * np.log10(age)
    assert fitted.sigma == pytest.approx(np.sqrt(np.sum(off**2) / 398), rel=1e-12)


def with_price(price):
    whole = simulated_history(price.size)
    return ChainHistory(whole.date, whole.known_at, {**whole.columns, "price_usd": price})


def test_a_year_of_prices_is_needed_after_worthless_ones_are_left_out():
    PowerLaw().fit(simulated_history(365))
    with pytest.raises(InsufficientDataError):
        PowerLaw().fit(simulated_history(364))
    price = simulated_history(365).columns["price_usd"].copy()
    for bad in (0.0, -1.0, np.nan):
        price[100] = bad
        with pytest.raises(InsufficientDataError):
            PowerLaw().fit(with_price(price))


def test_constant_prices_explain_nothing():
    fitted = PowerLaw().fit(with_price(np.full(400, 7.0))).fitted
    assert fitted.parameters.r_squared == 0.0
    assert fitted.diagnostics.r_squared == 0.0


def test_a_regressor_that_does_not_vary_is_no_fit():
    from pipeline.valuation.line import fit_line

    with pytest.raises(FitError, match="does not vary"):
        fit_line(np.ones(400), np.arange(400.0))
    with pytest.raises(FitError, match="differ in length"):
        fit_line(np.ones(400), np.ones(399))


def test_recalibrating_leaves_no_trace_of_the_old_fit():
    old = PowerLaw().fit(simulated_history(500, seed=1))
    newer = simulated_history(900, seed=2)
    assert old.recalibrate(newer).fitted.parameters == PowerLaw().fit(newer).fitted.parameters


def test_a_prediction_says_how_it_came_about():
    history = simulated_history(800)
    model = PowerLaw().fit(history)
    last = history.date[-1].item()
    tomorrow = model.predict(date.fromordinal(last.toordinal() + 1), current_price=1e9)
    assert tomorrow.metadata["as_of"] == last.isoformat()
    assert tomorrow.metadata["horizon_days"] == 1
    assert tomorrow.metadata["zone"] == "overvalued"
    assert not tomorrow.metadata["in_sample"]
    assert tomorrow.metadata["interval"] == "in_sample"
    assert model.predict(last).metadata["in_sample"]
    assert set(tomorrow.metadata["intervals"]) == {"0.68", "0.95"}
    parameters = model.fitted.parameters
    assert tomorrow.predicted_price == pytest.approx(
        fair_value(tomorrow.date, alpha=parameters.alpha, beta=parameters.beta), rel=1e-14
    )


def test_a_forecast_reaches_ten_years_and_no_further():
    model = PowerLaw().fit(simulated_history(800))
    last = model.fitted.last.toordinal()
    assert model.predict(date.fromordinal(last + 3653)).metadata["horizon_days"] == 3653
    with pytest.raises(ConfigError, match="too far ahead"):
        model.predict(date.fromordinal(last + 3654))
    with pytest.raises(InsufficientDataError):
        model.predict(model.fitted.first)
