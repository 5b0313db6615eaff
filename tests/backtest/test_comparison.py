"""Two runs compared on the days they share, and called equal where the data cannot tell them apart."""

import numpy as np
import pytest

from pipeline.backtest.comparison import Curve, pair
from pipeline.errors import SchemaError

CELLS = np.datetime64("2021-01-01T00:00", "us") + np.arange(6 * 700) * np.timedelta64(4, "h")


def curve(returns, cells=CELLS):
    return Curve(cells, 1e5 * np.cumprod(1.0 + returns))


@pytest.fixture(scope="module")
def market():
    return np.random.default_rng(1).normal(0.0001, 0.004, CELLS.size)


def test_a_run_beside_itself_is_a_tie_with_no_error(market):
    same = pair(curve(market), curve(market), seed=8)
    assert same.days == 699
    assert same.correlation == pytest.approx(1.0, rel=1e-12)
    for name in ("sharpe", "cagr", "max_drawdown"):
        assert (same.differences[name].value, same.differences[name].tie) == (0.0, True)


def test_what_moves_both_cancels(market):
    """A steady gain of 2 % a year over the same market is no tie; over another market it drowns."""
    gain = 0.02 / 365.25 / 6
    better, elsewhere = market + gain, np.random.default_rng(2).normal(0.0001, 0.004, CELLS.size) + gain
    close, far = (pair(curve(market), curve(other), seed=8) for other in (better, elsewhere))
    assert close.differences["cagr"].value == pytest.approx(0.02, rel=0.2)
    assert not close.differences["cagr"].tie
    assert far.differences["cagr"].error > 20 * close.differences["cagr"].error
    assert abs(far.correlation) < 0.2


def test_the_sign_is_that_of_the_second_run_less_the_first(market):
    there = pair(curve(market), curve(market * 1.5), seed=8).differences["max_drawdown"].value
    back = pair(curve(market * 1.5), curve(market), seed=8).differences["max_drawdown"].value
    assert there > 0.0
    assert back == pytest.approx(-there, rel=1e-12)


def test_only_shared_days_are_compared(market):
    late = Curve(CELLS[1200:], curve(market).nav[1200:])
    assert pair(curve(market), late, seed=8).days == 699 - 200


@pytest.mark.parametrize("kept", [0, 6, 13])
def test_runs_that_share_no_days_cannot_be_compared(market, kept):
    apart = Curve(CELLS[: 6 * 100 + kept], curve(market).nav[: 6 * 100 + kept])
    other = Curve(CELLS[6 * 100 :], curve(market).nav[6 * 100 :])
    found = pair(apart, other, seed=8)
    assert (found.days, found.correlation) == (0, None)
    assert found.differences["sharpe"].tie is None


def test_a_run_that_stays_in_cash_has_no_correlation(market):
    idle = pair(curve(market), curve(np.zeros(CELLS.size)), seed=8)
    assert idle.correlation is None
    assert idle.differences["sharpe"].value is None


def test_a_curve_has_one_nav_per_decision(market):
    with pytest.raises(SchemaError, match="nav"):
        Curve(CELLS, market[1:])
