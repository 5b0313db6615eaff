"""The on-chain price passes on what the oracle has confirmed, and makes nothing up."""

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.errors import InsufficientDataError, NotFittedError
from pipeline.valuation.history import DAY
from pipeline.valuation.onchain_price import OnChainPrice, OracleDays
from pipeline.valuation.walk_forward import calibrate, walk_forward
from tests.support.chain_histories import simulated_history

FIRST = np.datetime64("2012-01-01")


class FakeOracle:
    """Confirms the price of each day from `FIRST` on, one percent too high, the hour after it ends."""

    def __init__(self, history, *, without=(), late=()):
        self.history, self.without, self.late = history, set(without), set(late)

    def daily(self, days):
        price = 1.01 * self.history.values_at("price_usd", days)
        gone = (days < FIRST) | np.array([str(day) in self.without for day in days], bool)
        price[gone] = np.nan
        known = (days + DAY).astype("datetime64[us]") + np.timedelta64(1, "h")
        known[[str(day) in self.late for day in days]] += np.timedelta64(90, "D")
        known[gone] = np.datetime64("NaT")
        return OracleDays(price, price * 0.97, price * 1.03, known, 0.90)


@pytest.fixture(scope="module")
def history():
    return simulated_history(1300)


def test_a_confirmed_day_has_the_oracles_price_and_interval(history):
    said = OnChainPrice(prices=FakeOracle(history)).fit(history).predict(date(2013, 5, 6), current_price=1.0)
    price = 1.01 * history.values_at("price_usd", np.array(["2013-05-06"], "datetime64[D]"))[0]
    assert said.predicted_price == price
    assert said.confidence_interval.lower == 0.97 * price
    assert said.confidence_interval.upper == 1.03 * price
    assert said.confidence_level == 0.90
    assert said.metadata["interval"] == "oracle"
    assert said.metadata["zone"] == "undervalued"


def test_without_an_oracle_nothing_can_be_fitted(history):
    with pytest.raises(InsufficientDataError):
        OnChainPrice().fit(history)
    with pytest.raises(NotFittedError):
        OnChainPrice().predict(date(2013, 5, 6))


def test_a_day_without_a_confirmed_price_is_an_error(history):
    model = OnChainPrice(prices=FakeOracle(history, without=["2013-05-06"])).fit(history)
    for day in (date(2013, 5, 6), date(2011, 5, 6), history.date[-1].item() + timedelta(days=3)):
        with pytest.raises(InsufficientDataError, match="no confirmed price"):
            model.predict(day)


def test_an_oracle_that_never_confirmed_anything_cannot_be_fitted(history):
    early = history.before(date(2011, 12, 1))
    with pytest.raises(InsufficientDataError):
        OnChainPrice(prices=FakeOracle(early)).fit(early)


def test_a_later_day_is_the_newest_price_with_the_errors_of_a_walk_forward(history):
    model = calibrate(OnChainPrice(prices=FakeOracle(history)), history)
    said = model.predict(history.date[-1].item() + timedelta(days=30))
    assert said.predicted_price == 1.01 * history.columns["price_usd"][-1]
    assert said.metadata["interval"] == "walk_forward"
    assert said.metadata["horizon_days"] == 30


def test_a_price_confirmed_late_holds_up_no_forecast(history):
    walk = walk_forward(OnChainPrice(prices=FakeOracle(history, late=["2013-05-06"])), history, horizons=(1,))
    missing = {str(walk.origins[row]) for row in np.flatnonzero(np.isnan(walk.forecast[:, 0]))}
    assert missing == {"2013-05-07"}
    assert [str(each.origin) for each in walk.failures] == ["2013-05-07"]
