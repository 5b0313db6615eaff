"""The metrics against the definitions, and against quantstats and empyrical where those define the same."""

import math

import empyrical
import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backtest import kernel_sums as sums
from pipeline.backtest import metrics as m
from pipeline.backtest.round_trips import TRIP
from pipeline.portfolio.account import FILL

DAY_US = 86_400_000_000
N = 1461
YEARS = 4.0


@pytest.fixture(scope="module")
def returns():
    return np.random.default_rng(4).standard_t(4, N) * 0.011 + 0.0005


@pytest.fixture(scope="module")
def nav(returns):
    return 100_000.0 * np.cumprod(1.0 + returns)


def test_the_balanced_score_has_its_published_vector():
    assert m.balanced_score(1.5, 0.20, 0.65, 0.15) == pytest.approx(0.775, abs=1e-12)


@pytest.mark.parametrize("missing", range(4))
def test_the_balanced_score_is_unknown_when_a_part_is(missing):
    parts = [1.5, 0.20, 0.65, 0.15]
    parts[missing] = None
    assert m.balanced_score(*parts) is None


def test_sharpe_volatility_and_sortino_equal_two_libraries_at_the_same_periods_a_year(returns):
    periods = N / YEARS
    series = pd.Series(returns)
    ours = m.sharpe(returns, YEARS).value
    assert ours == pytest.approx(qs.sharpe(series, periods=periods), rel=1e-9)
    assert ours == pytest.approx(empyrical.sharpe_ratio(series, annualization=periods), rel=1e-9)
    volatility = m.volatility(returns, YEARS)
    assert volatility == pytest.approx(qs.volatility(series, periods=periods), rel=1e-9)
    assert volatility == pytest.approx(empyrical.annual_volatility(series, annualization=periods), rel=1e-9)
    downside = m.sortino(returns, YEARS)
    assert downside == pytest.approx(qs.sortino(series, periods=periods), rel=1e-9)
    assert downside == pytest.approx(empyrical.sortino_ratio(series, annualization=periods), rel=1e-9)


def test_growth_drawdown_and_calmar_equal_two_libraries(returns, nav):
    series = pd.Series(returns, index=pd.date_range("2020-01-01", periods=N))
    deepest = m.drawdown(nav, 100_000.0).max()
    assert deepest == pytest.approx(-qs.max_drawdown(series), rel=1e-9)
    assert deepest == pytest.approx(-empyrical.max_drawdown(series), rel=1e-9)
    growth = m.cagr(100_000.0, nav[-1], YEARS)
    assert growth == pytest.approx(empyrical.cagr(series, annualization=N / YEARS), rel=1e-9)
    assert growth == pytest.approx(qs.cagr(series, periods=N / YEARS), rel=1e-9)
    assert m.calmar(growth, deepest) == pytest.approx(
        empyrical.calmar_ratio(series, annualization=N / YEARS), rel=1e-9
    )


def test_win_rate_and_profit_factor_equal_quantstats_on_profits():
    profits = np.random.default_rng(5).normal(0.01, 1.0, 200)
    trips = np.zeros(202, TRIP)
    trips["pnl"], trips["exit_row"] = [*profits, np.nan, 5.0], [*range(200), -1, -1]
    *_, closed, won, gained, lost = sums.tally(np.zeros(0, FILL), trips)
    assert closed == 200
    assert m.win_rate(won, closed) == pytest.approx(qs.win_rate(pd.Series(profits)), rel=1e-9)
    assert m.profit_factor(gained, lost) == pytest.approx(qs.profit_factor(pd.Series(profits)), rel=1e-9)


def test_what_is_unknown_is_none_and_not_zero():
    flat, one = np.zeros(400), np.array([0.01])
    assert m.sharpe(flat, 1.0) == m.Ratio(None, None)
    assert m.newey_west_sharpe(flat, 1.0) == m.Ratio(None, None)
    assert m.sharpe(one, 1.0).value is None
    assert m.volatility(one, 1.0) is None
    assert m.sortino(np.abs(np.random.default_rng(1).normal(size=9)), 1.0) is None
    assert m.cagr(1.0, 2.0, 0.2499) is None
    assert m.cagr(1.0, 2.0, 0.25) == pytest.approx(15.0)
    assert m.win_rate(0, 0) is None
    assert m.profit_factor(3.0, 0.0) is None
    assert m.calmar(0.1, 0.0) is None
    assert m.calmar(None, 0.1) is None


def test_bars_of_a_closed_market_leave_sharpe_as_it_is(returns):
    weekly = np.zeros((N // 5, 7))
    weekly[:, :5] = returns[: N // 5 * 5].reshape(-1, 5)
    kept, padded = returns[: N // 5 * 5], weekly.ravel()
    open_only, with_closed = m.sharpe(kept, YEARS).value, m.sharpe(padded, YEARS).value
    assert with_closed == pytest.approx(open_only, rel=2e-3)
    assert m.volatility(padded, YEARS) == pytest.approx(m.volatility(kept, YEARS), rel=2e-3)


def test_sharpe_in_excess_of_cash_lowers_the_mean(returns):
    excess = m.sharpe(returns, YEARS, cash=0.0001).value
    assert excess == pytest.approx(m.sharpe(returns - 0.0001, YEARS).value, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 300))
def test_newey_west_equals_its_textbook_sum(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.001, 0.01, n) + 0.5 * np.roll(rng.normal(0.0, 0.01, n), 1)
    off = values - values.mean()
    lags = math.floor(4 * (n / 100) ** (2 / 9))
    gamma = [sum(off[t] * off[t - k] for t in range(k, n)) / n for k in range(lags + 1)]
    long_run = gamma[0] + 2 * sum((1 - k / (lags + 1)) * gamma[k] for k in range(1, lags + 1))
    expected = values.mean() / math.sqrt(long_run * n / (n - 1)) * math.sqrt(n / 2.0)
    assert m.newey_west_sharpe(values, 2.0).value == pytest.approx(expected, rel=1e-9)


def test_standard_errors_are_the_spread_of_many_samples():
    rng = np.random.default_rng(9)
    draws = rng.normal(0.0006, 0.01, (3000, 500))
    found = [m.sharpe(draw, 500 / 365.25) for draw in draws]
    spread = np.std([ratio.value for ratio in found])
    assert np.mean([ratio.error for ratio in found]) == pytest.approx(spread, rel=0.05)
    robust = [m.newey_west_sharpe(draw, 500 / 365.25).error for draw in draws[:500]]
    assert np.mean(robust) == pytest.approx(spread, rel=0.10)


def test_positive_autocorrelation_lowers_the_newey_west_value():
    rng = np.random.default_rng(2)
    shocks = rng.normal(0.0, 0.01, 4000)
    returns = np.empty(4000)
    returns[0] = shocks[0]
    for t in range(1, 4000):
        returns[t] = 0.0004 + 0.4 * returns[t - 1] + shocks[t]
    plain, robust = m.sharpe(returns, 11.0), m.newey_west_sharpe(returns, 11.0)
    assert robust.value < 0.85 * plain.value
    assert robust.error < plain.error * 1.1


class TestDailyRows:
    ts = np.datetime64("2024-07-04T08:00", "us").astype(np.int64) + np.arange(60) * DAY_US // 6

    def labels(self, rows):
        return [
            str(t) for t in (self.ts[rows] + DAY_US // 6).astype("datetime64[us]").astype("datetime64[h]")
        ]

    def test_a_book_that_never_closes_is_sampled_at_midnight(self):
        rows = m.daily_rows(self.ts, None)
        assert self.labels(rows)[:3] == ["2024-07-05T00", "2024-07-06T00", "2024-07-07T00"]
        assert len(rows) == 10

    def test_a_session_book_is_sampled_after_days_with_a_session_only(self):
        stamps = self.ts.astype("datetime64[us]")
        day = stamps.astype("datetime64[D]")
        weekday = (day.astype(np.int64) + 3) % 7
        open_day = (weekday < 5) & (day != np.datetime64("2024-07-04"))
        has_bar = open_day & np.isin(stamps.astype("datetime64[h]").astype(np.int64) % 24, (12, 16))
        rows = m.daily_rows(self.ts, has_bar)
        assert self.labels(rows) == [f"2024-07-{d:02}T00" for d in (6, 9, 10, 11, 12, 13)]


def test_turnover_and_costs_are_of_mean_nav_and_year():
    assert m.per_year(500_000.0, 100_000.0, 2.5) == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_deepest_fall_is_the_largest_drawdown_bit_for_bit(seed):
    nav = 1e5 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, 2_000)))
    assert sums.deepest_fall(nav, 1e5) == m.drawdown(nav, 1e5).max()
    assert sums.deepest_fall(np.sort(nav), float(nav.min())) == 0.0
