"""What is known of the real chain to the end of 2022, reproduced from its file."""

from datetime import date

import numpy as np
import pytest

from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow, projected_s2f
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import walk_forward
from tests.support.chain_histories import real_history

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def history(real_data):
    return real_history(real_data)


@pytest.mark.parametrize(
    ("year", "slope", "within"),
    [
        (2014, 6.85, 0.005),
        (2016, 5.62, 0.005),
        (2018, 5.87, 0.005),
        (2020, 5.74, 0.005),
        (2022, 5.818, 0.005),
    ],
)
def test_the_slope_of_the_power_law_to_the_end_of_a_year(history, year, slope, within):
    found = PowerLaw().fit(history.before(date(year + 1, 1, 1))).fitted.parameters
    assert found.beta == pytest.approx(slope, abs=within)


def test_the_slope_equals_numpys(history):
    price = history.columns["price_usd"]
    known = np.isfinite(price)
    age = (history.date - np.datetime64("2009-01-03")).astype(float)
    slope, intercept = np.polyfit(np.log10(age[known]), np.log10(price[known]), 1)
    found = PowerLaw().fit(history).fitted.parameters
    assert found.beta == pytest.approx(slope, rel=1e-10)
    assert found.alpha == pytest.approx(intercept, rel=1e-10)
    assert found.n == 4550


@pytest.mark.parametrize(
    ("day", "height", "s2f"), [("2020-06-01", 632_679, 28.113), ("2022-12-31", 769_790, 57.903)]
)
def test_stock_to_flow_is_that_of_the_chain(history, day, height, s2f):
    at = np.array([day], "datetime64[D]")
    assert history.values_at("height", at)[0] == height
    assert projected_s2f(history, at + np.timedelta64(1, "D"), at)[0] == pytest.approx(s2f, abs=5e-4)


def test_the_thermocap_at_the_end_of_2022(history):
    assert history.columns["thermocap_usd"][-1] == pytest.approx(4.7436e10, rel=1e-3)
    without_fees = np.nansum(history.columns["issuance_usd"])
    assert without_fees == pytest.approx(4.4935e10, rel=1e-3)


def test_price_over_realised_price_is_mvrv(history):
    ratio = history.columns["price_usd"] / MvrvBands().base(history)
    known = np.isfinite(ratio) & np.isfinite(history.columns["mvrv"])
    np.testing.assert_allclose(ratio[known], history.columns["mvrv"][known], rtol=5e-5)


def test_every_model_walks_from_2011_without_a_failure(history):
    singles = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
    for model in (*singles, Ensemble(members=singles[:3], weights=(0.4, 0.3, 0.3))):
        walk = walk_forward(model, history)
        assert walk.origins[0] == np.datetime64("2011-08-01")
        assert not walk.failures
        assert np.isfinite(walk.forecast).all()


def test_no_real_forecast_moves_when_later_rows_are_appended(history):
    short = history.before(date(2018, 3, 10))
    for model in (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands()):
        before, after = walk_forward(model, short), walk_forward(model, history)
        assert before.forecast.tobytes() == after.forecast[: before.origins.size].tobytes()
