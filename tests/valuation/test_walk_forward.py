"""A walk-forward knows at each day what was known then, and its fits equal an independent library's."""

from datetime import date

import numpy as np
import pytest
import statsmodels.api as sm

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.registry import create
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import first_origin, walk_forward
from tests.support.chain_histories import simulated_history

SINGLE = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
MODELS = (
    *SINGLE,
    Ensemble(members=SINGLE[:3], weights=(0.4, 0.3, 0.3)),
    Ensemble(members=SINGLE, weights="fitted"),
    Ensemble(members=SINGLE, aggregation="median"),
)
IDS = ("power_law", "stock_to_flow", "thermocap", "mvrv_bands", "fixed", "fitted", "median")
every_model = pytest.mark.parametrize("model", MODELS, ids=IDS)


def same(left, right):
    """Bit for bit, unknown equal to unknown."""
    return left.tobytes() == right.tobytes()


@pytest.fixture(scope="module")
def history():
    return simulated_history(1600)


def with_noise_from(history, row):
    """The same history with other numbers in every column from a row on."""
    rng = np.random.default_rng(99)
    noisy = {}
    for name, values in history.columns.items():
        noisy[name] = values.copy()
        noisy[name][row:] = np.abs(rng.normal(1e4, 1e3, values.size - row))
    return ChainHistory(history.date, history.known_at, noisy)


@every_model
def test_no_forecast_moves_when_later_rows_are_appended(model, history):
    short = history.before(history.date[1100])
    before, after = walk_forward(model, short), walk_forward(model, history)
    n = before.origins.size
    assert same(before.origins, after.origins[:n])
    assert same(before.forecast, after.forecast[:n])
    known = np.isfinite(before.actual)
    assert same(before.error[known], after.error[:n][known])


@every_model
def test_what_comes_later_may_be_noise(model, history):
    row = 1100
    clean, noisy = walk_forward(model, history), walk_forward(model, with_noise_from(history, row))
    early = clean.origins <= history.date[row]
    assert early.sum() > 100
    assert same(clean.forecast[early], noisy.forecast[early])
    assert not same(clean.forecast[~early], noisy.forecast[~early])


@every_model
def test_every_fit_is_that_of_the_rows_before_its_month(model, history):
    walk = walk_forward(model, history, horizons=(1, 30))
    for number, fit in list(enumerate(walk.fits))[:: max(1, len(walk.fits) // 5)]:
        rows = np.flatnonzero(walk.fit_of == number)
        alone = model.fit(history.before(fit.day)).fitted.parameters
        target = walk.targets(30)[rows]
        assert same(walk.forecast[rows, 1], model.fair(alone, history, walk.origins[rows], target))


@every_model
def test_a_prediction_of_a_fitted_model_is_that_of_its_walk_forward(model, history):
    walk = walk_forward(model, history, horizons=(1, 30))
    row = int(np.flatnonzero(walk.origins == np.datetime64("2014-03-01"))[0])
    fitted = model.fit(history.at_origin(date(2014, 3, 1)))
    for column, horizon in enumerate((1, 30)):
        said = fitted.predict(walk.targets(horizon)[row].item())
        assert said.predicted_price == walk.forecast[row, column]
        assert said.metadata["horizon_days"] == horizon


@pytest.mark.parametrize("kind", [PowerLaw, StockToFlow])
def test_coefficients_equal_those_of_statsmodels_on_the_same_rows(kind, history):
    walk = walk_forward(kind(), history)
    checked = 0
    for fit in walk.fits:
        rows = history.date < np.datetime64(fit.day)
        price = history.columns["price_usd"][rows]
        if kind is PowerLaw:
            x = np.log10((history.date[rows] - np.datetime64("2009-01-03")).astype(float))
            y = np.log10(price)
            mine = (fit.parameters.alpha, fit.parameters.beta, fit.parameters.sigma)
        else:
            known = np.isfinite(history.columns["s2f"][rows])
            x, y = np.log(history.columns["s2f"][rows][known]), np.log(price[known])
            mine = (fit.parameters.intercept, fit.parameters.slope, fit.parameters.sigma)
        theirs = sm.OLS(y, sm.add_constant(x)).fit()
        wanted = (*theirs.params, np.sqrt(theirs.scale))
        np.testing.assert_allclose(mine, wanted, rtol=1e-10)
        assert fit.parameters.r_squared == pytest.approx(theirs.rsquared, rel=1e-10)
        checked += 1
    assert checked > 20


@pytest.mark.parametrize(("kind", "column"), [(Thermocap, "thermocap_usd"), (MvrvBands, "realized_cap_usd")])
def test_multiples_equal_quantiles_of_polars_on_the_same_rows(kind, column, history):
    import polars as pl

    walk = walk_forward(kind(), history)
    for fit in walk.fits[::7]:
        rows = history.date < np.datetime64(fit.day)
        base = history.columns[column][rows] / history.columns["supply_btc"][rows]
        ratio = pl.Series(history.columns["price_usd"][rows] / base)
        wanted = [ratio.quantile(q, interpolation="linear") for q in (0.1, 0.5, 0.9)]
        found = (fit.parameters.low, fit.parameters.middle, fit.parameters.high)
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_where_it_starts_changes_no_forecast(history):
    whole = walk_forward(PowerLaw(), history)
    part = walk_forward(PowerLaw(), history, start=date(2013, 5, 17), end=date(2013, 9, 2))
    at = int(np.flatnonzero(whole.origins == np.datetime64("2013-05-17"))[0])
    assert same(part.forecast, whole.forecast[at : at + part.origins.size])
    assert str(part.origins[-1]) == "2013-09-01"


def test_the_target_of_a_horizon_is_the_row_so_many_days_on(history):
    walk = walk_forward(PowerLaw(), history, horizons=(1, 90))
    price = history.columns["price_usd"]
    row = 10
    where = history.index(walk.origins[row])
    assert walk.actual[row, 0] == price[where]
    assert walk.actual[row, 1] == price[where + 89]
    assert walk.error[row, 1] == pytest.approx(np.log(price[where + 89] / walk.forecast[row, 1]))
    assert str(walk.origins[-1]) == str(history.date[-1] + DAY)
    assert np.isnan(walk.actual[-1]).all()
    assert np.isfinite(walk.forecast[-1]).all()
    assert not walk.failures


def test_forecasts_that_are_missing_are_counted_with_their_reason(history):
    supply = history.columns["supply_btc"].copy()
    price = history.columns["price_usd"].copy()
    supply[900] = np.nan
    price[950] = np.nan
    late = history.known_at.copy()
    late[1000] += np.timedelta64(30, "D")
    columns = {**history.columns, "supply_btc": supply, "price_usd": price}
    holed = ChainHistory(history.date, late, columns)
    walk = walk_forward(Thermocap(), holed, horizons=(1, 30))
    said = {(str(each.origin), each.horizon): each.reason for each in walk.failures}
    day = history.date
    assert "gives no price" in said[str(day[901]), None]
    assert "target day has no price" in said[str(day[950]), 1]
    assert "target day has no price" in said[str(day[950 - 29]), 30]
    assert "came late" in said[str(day[1001]), None]
    assert len(said) == 4
    gone = walk.origins == day[901]
    assert np.isnan(walk.forecast[gone]).all()


@every_model
def test_a_row_that_came_late_is_read_from_then_on_and_not_before(model, history):
    """One row came a month late, another twelve hours after the one that follows it."""
    known_at = history.known_at.copy()
    known_at[1000] += np.timedelta64(30, "D")
    known_at[1200] += np.timedelta64(36, "h")
    late = ChainHistory(history.date, known_at, history.columns)
    walk = walk_forward(model, late, horizons=(1, 90))
    first = int((history.date[995] - walk.origins[0]) / DAY)
    for place in (*range(first, first + 40), *range(first + 202, first + 212), walk.origins.size - 1):
        origin = walk.origins[place : place + 1]
        if not late.timely(origin)[0]:
            assert np.isnan(walk.forecast[place]).all()
            continue
        fit = walk.fits[walk.fit_of[place]].parameters
        for column, ahead in enumerate((0, 89)):
            said = model.fair(fit, late.at_origin(origin[0]), origin, origin + ahead * DAY)
            np.testing.assert_array_equal(walk.forecast[place, column], said[0])
    assert np.isfinite(walk.forecast[first + 45 : first + 200]).all()


def test_a_month_without_a_fit_is_counted_day_by_day(history):
    walk = walk_forward(PowerLaw(), history, start=date(2011, 6, 1), end=date(2011, 8, 3), horizons=(1,))
    assert [each.reason is None for each in walk.fits] == [False, False, True]
    assert len(walk.failures) == 61
    assert all("not enough days" in each.reason for each in walk.failures)
    assert first_origin(PowerLaw(), history) == date(2011, 8, 1)


def test_a_row_known_only_later_is_not_in_the_fits_before(history):
    price = history.columns["price_usd"].copy()
    price[500] *= 100.0
    late = history.known_at.copy()
    late[500] = np.datetime64("2013-06-15", "us")
    revised = ChainHistory(history.date, late, {**history.columns, "price_usd": price})
    hidden = ChainHistory(
        history.date,
        history.known_at,
        {**history.columns, "price_usd": np.where(np.arange(1600) == 500, np.nan, price)},
    )
    found, without = walk_forward(PowerLaw(), revised), walk_forward(PowerLaw(), hidden)
    for fit, other in zip(found.fits, without.fits, strict=True):
        known = fit.day >= date(2013, 7, 1)
        assert (fit.parameters != other.parameters) == known


def test_refits_can_be_yearly(history):
    walk = walk_forward(PowerLaw(), history, refit="yearly")
    assert [each.day for each in walk.fits] == [date(2012, 1, 1), date(2013, 1, 1), date(2014, 1, 1)]


@pytest.mark.parametrize("wrong", [{"horizons": ()}, {"horizons": (0, 1)}, {"refit": "daily"}])
def test_an_impossible_walk_is_refused(wrong, history):
    with pytest.raises(ConfigError):
        walk_forward(PowerLaw(), history, **wrong)


def test_an_empty_window_or_too_short_a_history_is_refused(history):
    with pytest.raises(InsufficientDataError):
        walk_forward(PowerLaw(), history, start=date(2031, 1, 1))
    with pytest.raises(InsufficientDataError):
        walk_forward(PowerLaw(), simulated_history(300))


def test_a_thousand_days_take_well_under_a_second():
    """The bound of 100 ms is measured by benchmarks/valuation_speed.py on a quiet machine."""
    from time import perf_counter

    history = simulated_history(3000)
    walk_forward(PowerLaw(), history)
    began = perf_counter()
    walk = walk_forward(PowerLaw(), history, start=date(2015, 1, 1), end=date(2017, 9, 27))
    assert walk.origins.size == 1000
    assert perf_counter() - began < 1.0


def test_a_model_of_its_own_walks_too(history):
    """Nothing in the base, the registry or the ensemble knows it."""
    from dataclasses import dataclass

    from pipeline.valuation import registry
    from pipeline.valuation.model import PriceModel

    @registry.register
    @dataclass(frozen=True, kw_only=True)
    class LastPrice(PriceModel):
        """Tomorrow is like today."""

        name = "last_price"
        description = "The last known price"
        required_data = ("price_usd",)

        def estimate(self, history):
            return history.n

        def fair(self, _parameters, history, origins, _targets, /):
            return history.values_at("price_usd", origins - DAY)

    try:
        walk = walk_forward(create("last_price"), history, horizons=(1,))
        assert walk.forecast[5, 0] == walk.actual[4, 0]
        mixed = Ensemble(members=(PowerLaw(), LastPrice()), weights=(0.5, 0.5))
        assert np.isfinite(walk_forward(mixed, history).forecast).all()
    finally:
        registry.unregister("last_price")
