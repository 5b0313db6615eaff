"""Thermocap and MVRV bands: quantiles of past multiples times a value of the chain."""

from datetime import timedelta

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError, InsufficientDataError
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.record import records_of
from pipeline.valuation.thermocap import Thermocap, fair_price, thermocap_multiple
from tests.support.chain_histories import simulated_history


@pytest.mark.parametrize(("multiple", "price"), [(5.5, 84_615.38), (3.0, 46_153.85), (8.0, 123_076.92)])
def test_the_published_constants_give_the_published_prices(multiple, price):
    assert fair_price(300e9, 19.5e6, multiple) == pytest.approx(price, abs=0.005)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_no_price_comes_from_a_thermocap_or_supply_that_is_none(bad):
    for arguments in ((bad, 19.5e6, 5.5), (300e9, bad, 5.5), (300e9, 19.5e6, bad)):
        with pytest.raises(DataError):
            fair_price(*arguments)


def test_before_anyone_was_paid_the_multiple_is_zero():
    assert thermocap_multiple(1e9, 0.0) == 0.0
    assert thermocap_multiple(1e9, 5e8) == 2.0
    for arguments in ((float("nan"), 1.0), (1.0, -1.0), (float("inf"), 1.0)):
        with pytest.raises(DataError):
            thermocap_multiple(*arguments)


def test_the_multiples_are_quantiles_of_the_training_window():
    history = simulated_history(1200)
    price, supply = history.columns["price_usd"], history.columns["supply_btc"]
    for model, base in (
        (Thermocap(), history.columns["thermocap_usd"] / supply),
        (MvrvBands(quantiles=(0.05, 0.5, 0.95)), history.columns["realized_cap_usd"] / supply),
    ):
        fitted = model.fit(history)
        found = fitted.fitted.parameters
        wanted = np.quantile(price / base, model.quantiles)
        np.testing.assert_allclose([found.low, found.middle, found.high], wanted, rtol=1e-14)
        said = fitted.predict(history.date[-1].item() + timedelta(days=10))
        assert said.predicted_price == pytest.approx(wanted[1] * base[-1], rel=1e-14)
        assert said.metadata["fair_range"] == pytest.approx(
            {"lower": wanted[0] * base[-1], "upper": wanted[2] * base[-1]}
        )


def test_the_price_differs_from_day_to_day():
    history = simulated_history(1200)
    fitted = Thermocap().fit(history)
    prices = {fitted.predict(day.item()).predicted_price for day in history.date[-50:]}
    assert len(prices) == 50


@pytest.mark.parametrize(
    "quantiles", [(0.5, 0.1, 0.9), (0.0, 0.5, 0.9), (0.1, 0.5, 1.0), (0.1, 0.9), "low", (0.1, 0.1, 0.9), 3]
)
def test_quantiles_out_of_order_are_refused(quantiles):
    with pytest.raises(ConfigError):
        Thermocap(quantiles=quantiles)


def test_a_year_of_multiples_is_needed():
    with pytest.raises(InsufficientDataError):
        MvrvBands().fit(simulated_history(364))


def test_a_base_that_is_not_above_zero_makes_no_complete_day():
    history = simulated_history(800)
    damaged = np.where(np.arange(800) < 500, 0.0, history.columns["thermocap_usd"])
    wrong = ChainHistory(history.date, history.known_at, {**history.columns, "thermocap_usd": damaged})
    assert not Thermocap().complete(wrong)[:500].any()
    assert Thermocap().complete(wrong)[500:].all()
    done, absent = records_of([Thermocap()], wrong, horizons=(1,))
    assert not done
    assert "too few complete days" in absent["thermocap"]
