"""A backtest: metrics as a spreadsheet has them, the traded signal, and a ranking on the same days."""

from datetime import date

import numpy as np
import pytest

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.backtest import backtest
from pipeline.valuation.comparison import compare
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.metrics import error_metrics
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.onchain_price import OnChainPrice
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.signal import exposure, signal_returns, trade
from pipeline.valuation.thermocap import Thermocap
from tests.support.chain_histories import simulated_history

NAN = np.nan


@pytest.fixture(scope="module")
def history():
    return simulated_history(1600)


def test_the_metrics_are_those_of_a_spreadsheet():
    forecast = np.array([110.0, 95.0, NAN, 120.0, 130.0])
    actual = np.array([100.0, 100.0, 100.0, 100.0, 125.0])
    found = error_metrics(forecast, actual)
    assert found.n == 4
    assert found.mae == pytest.approx((10 + 5 + 20 + 5) / 4)
    assert found.mape == pytest.approx((0.10 + 0.05 + 0.20 + 0.04) / 4)
    assert found.rmse == pytest.approx(np.sqrt((100 + 25 + 400 + 25) / 4))
    assert found.rmse_log == pytest.approx(
        np.sqrt(np.mean(np.log([110 / 100, 95 / 100, 120 / 100, 130 / 125]) ** 2))
    )
    assert found.bias_log < 0.0


def test_mean_errors_equal_those_of_scikit_learn():
    from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, root_mean_squared_error

    rng = np.random.default_rng(3)
    actual = rng.uniform(50.0, 150.0, 400)
    forecast = actual * rng.uniform(0.8, 1.3, 400)
    found = error_metrics(forecast, actual)
    assert found.mae == pytest.approx(mean_absolute_error(actual, forecast))
    assert found.mape == pytest.approx(mean_absolute_percentage_error(actual, forecast))
    assert found.rmse == pytest.approx(root_mean_squared_error(actual, forecast))


def test_direction_counts_steps_at_which_both_moved():
    forecast = np.array([1.0, 2.0, 1.0, 1.0, 2.0])
    actual = np.array([1.0, 3.0, 4.0, 5.0, 6.0])
    assert error_metrics(forecast, actual).direction_accuracy == pytest.approx(2 / 3)


def test_what_is_undefined_is_unknown():
    empty = error_metrics(np.array([NAN, 1.0]), np.array([1.0, NAN]))
    assert (empty.n, empty.mae, empty.mape, empty.rmse, empty.direction_accuracy) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert error_metrics(np.array([1.0]), np.array([2.0])).direction_accuracy is None
    assert error_metrics(np.array([1.0, 1.0]), np.array([2.0, 3.0])).direction_accuracy is None
    assert trade(np.array([1.0, 2.0]), np.array([1.0, 2.0])).sharpe_ratio is None
    flat = trade(np.full(50, 100.0), np.full(50, 10.0))
    assert flat.sharpe_ratio is None
    assert flat.max_drawdown == 0.0


def test_the_exposure_falls_from_the_fair_price_to_one_and_a_half_times_it():
    price = np.array([50.0, 100.0, 110.0, 125.0, 150.0, 200.0])
    np.testing.assert_allclose(exposure(price, np.full(6, 100.0)), [1.0, 1.0, 0.8, 0.5, 0.0, 0.0])


def test_the_position_is_yesterdays_and_turnover_costs_ten_basis_points():
    price = np.array([100.0, 110.0, 99.0, 120.0])
    fair = np.array([100.0, 100.0, 50.0, 100.0])
    returns, held = signal_returns(price, fair)
    np.testing.assert_allclose(held, [1.0, 0.8, 0.0])
    np.testing.assert_allclose(returns, [0.10 - 0.001, 0.8 * -0.10 - 0.0002, -0.0008])


def test_a_day_without_a_fair_price_holds_nothing():
    returns, held = signal_returns(np.array([100.0, 110.0, 120.0]), np.array([NAN, 200.0, 200.0]))
    np.testing.assert_allclose(held, [0.0, 1.0])
    np.testing.assert_allclose(returns, [0.0, 120 / 110 - 1 - 0.001])


def test_the_ratio_and_the_fall_equal_those_of_empyrical():
    import empyrical

    rng = np.random.default_rng(5)
    price = 100.0 * np.exp(np.cumsum(rng.normal(0.001, 0.03, 700)))
    fair = np.full(700, 110.0)
    returns, _ = signal_returns(price, fair)
    found = trade(price, fair)
    assert found.sharpe_ratio == pytest.approx(
        empyrical.sharpe_ratio(returns, annualization=365.25), rel=1e-9
    )
    assert found.max_drawdown == pytest.approx(-empyrical.max_drawdown(returns), rel=1e-9)


def test_buying_and_holding_the_same_days_equals_empyrical_and_pays_for_the_purchase():
    import empyrical

    rng = np.random.default_rng(7)
    price = 100.0 * np.exp(np.cumsum(rng.normal(0.002, 0.03, 700)))
    returns = price[1:] / price[:-1] - 1.0
    returns[0] -= 0.001
    found = trade(price, np.full(700, 110.0))
    assert found.buy_and_hold_sharpe == pytest.approx(
        empyrical.sharpe_ratio(returns, annualization=365.25), rel=1e-9
    )
    assert found.buy_and_hold_drawdown == pytest.approx(-empyrical.max_drawdown(returns), rel=1e-9)
    always = trade(price, np.full(700, 1e9))  # far below the fair price: all in, as who buys and holds
    assert always.sharpe_ratio == always.buy_and_hold_sharpe == found.buy_and_hold_sharpe


def test_the_signal_does_not_know_the_future():
    rng = np.random.default_rng(6)
    price, fair = rng.uniform(50.0, 150.0, 300), np.full(300, 100.0)
    changed = price.copy()
    changed[200:] *= 2.0
    before, after = signal_returns(price, fair)[0], signal_returns(changed, fair)[0]
    np.testing.assert_array_equal(before[:199], after[:199])


def test_the_later_part_of_the_window_is_scored(history):
    found = backtest(PowerLaw(), history, train_pct=0.7)
    assert found.start == history.date[1120].item()
    assert found.end == history.date[-1].item()
    assert found.metrics.n == 480
    assert [each.level for each in found.coverage] == [0.68, 0.95]
    record = found.to_dict()
    assert set(record["metrics"]) >= {
        "mae", "mape", "rmse", "direction_accuracy", "sharpe_ratio", "max_drawdown",
    }  # fmt: skip
    assert record["predictions"][0]["date"] == str(history.date[1120])
    assert record["failed"] == 0


def test_later_rows_change_no_scored_forecast(history):
    short = history.before(history.date[1300])
    end = history.date[1300].item()
    before = backtest(MvrvBands(), short, start=date(2012, 1, 1), horizon=30)
    after = backtest(MvrvBands(), history, start=date(2012, 1, 1), end=end, horizon=30)
    assert before.forecast.tobytes() == after.forecast.tobytes()
    assert before.to_dict() == after.to_dict() | {"refits": before.to_dict()["refits"]}


def test_skill_is_against_the_last_known_price(history):
    found = backtest(PowerLaw(), history, horizon=90)
    last = history.values_at("price_usd", found.target - np.timedelta64(90, "D"))
    base = np.log(found.actual / last)
    own = np.log(found.actual / found.forecast)
    assert found.skill == pytest.approx(1.0 - np.sum(own**2) / np.sum(base**2))
    assert found.skill > 0.0


def test_a_planted_law_is_covered_about_as_promised():
    found = backtest(PowerLaw(), simulated_history(3500, seed=5, half_life=20.0), horizon=30)
    one, two = found.coverage
    assert one.low < 0.68 < one.high
    assert two.value > one.value


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"train_pct": 0.05}, ConfigError),
        ({"train_pct": 0.95}, ConfigError),
        ({"train_pct": NAN}, ConfigError),
        ({"refit": "daily"}, ConfigError),
        ({"horizon": 0}, ConfigError),
        ({"start": date(2014, 11, 28)}, InsufficientDataError),
        ({"end": date(2010, 8, 30)}, InsufficientDataError),
    ],
)
def test_an_impossible_backtest_is_refused(wrong, kind, history):
    with pytest.raises(kind):
        backtest(PowerLaw(), history, **wrong)


def test_models_are_ranked_on_the_days_that_all_have(history):
    realised = history.columns["realized_cap_usd"].copy()
    realised[1300:1320] = NAN
    holed = ChainHistory(history.date, history.known_at, {**history.columns, "realized_cap_usd": realised})
    found = compare([PowerLaw(), Thermocap(), MvrvBands(), OnChainPrice()], holed)
    assert found.best == found.ranking[0] == min(found.common, key=lambda name: found.common[name].mape)
    assert {each.n for each in found.common.values()} == {460}
    assert found.backtests["power_law"].metrics.n == 480
    assert len(found.backtests["mvrv_bands"].failures) == 20
    assert found.absent == {"onchain_price": "the oracle has no confirmed price"}
    record = found.to_dict()
    assert [each["rank"] for each in record["results"]] == [1, 2, 3]
    assert record["models"] == [*record["ranking"], "onchain_price"]


def test_the_last_price_stands_beside_the_models_on_their_days(history):
    found = compare([PowerLaw(), Thermocap()], history, horizon=90)
    one = found.backtests["power_law"]
    last = history.values_at("price_usd", one.target - np.timedelta64(90, "D"))
    assert found.last_price == error_metrics(last, one.actual)
    assert found.skills["power_law"] == one.skill > 0.0
    assert found.better == tuple(name for name in found.ranking if found.skills[name] > 0.0)
    record = found.to_dict()
    assert record["last_price"]["skill_last_price"] == 0.0
    assert record["better_than_last_price"] == list(found.better)
    assert (record["horizon_days"], record["end_date"]) == (90, str(history.date[-1]))
    assert compare([PowerLaw()], history).better == ()  # the next day is near the last price, not the law


def test_nothing_to_compare_is_an_error(history):
    with pytest.raises(InsufficientDataError, match="no model"):
        compare([OnChainPrice()], history)
    with pytest.raises(ConfigError):
        compare([PowerLaw()], history, train_pct=2.0)


def test_a_comparison_measures_the_levels_of_its_models(history):
    found = compare([PowerLaw(levels=(0.5, 0.9)), Thermocap(levels=(0.5, 0.9))], history)
    assert {each.level for each in found.backtests["power_law"].coverage} == {0.5, 0.9}
