"""Buy-and-hold buys once, pays once, and its daily returns lie on the strategy's days."""

import numpy as np
import pytest

from pipeline.backtest.benchmark import buy_and_hold
from pipeline.backtest.engine import simulate
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.errors import ConfigError
from tests.support.random_books import random_panel

ASSETS = (Tradable("C0", "crypto", always_open=True), Tradable("E1", "equity"))


@pytest.fixture
def panel():
    return random_panel(np.random.default_rng(5), bars=600, assets=2)


def held(panel, **options):
    return buy_and_hold(panel, ("C0", "E1"), **({"assets": ASSETS, "rules": Rules()} | options))


def test_every_asset_is_bought_once_and_never_sold(panel):
    done = held(panel)
    assert sorted(done.fills["asset"].tolist()) == [0, 1]
    assert (done.fills["quantity"] > 0.0).all()
    assert done.metrics.open_round_trips == 2


def test_nav_is_cash_and_units_at_last_closes_after_costs(panel):
    done = held(panel, rules=Rules(costs={"crypto": Costs(0.0, 50.0), "equity": Costs(0.0, 50.0)}))
    fills = done.fills
    paid = float((fills["quantity"] * fills["price_open"]).sum())
    assert float(fills["fee"].sum()) == pytest.approx(0.005 * paid, rel=1e-12)
    assert 90_000.0 < paid <= 100_000.0 / 1.005 + 1e-6
    closes = [panel.close[~np.isnan(panel.close[:, a]), a][-1] for a in range(2)]
    assert done.nav[-1] == pytest.approx(done.cash[-1] + done.quantity[-1] @ closes, rel=1e-12)


def test_no_limit_of_the_account_acts(panel):
    rules = Rules(per_asset_cap=0.1, drawdown_trigger=0.02, drawdown_release=0.01, drawdown_halt=0.03)
    done, free = held(panel, rules=rules), held(panel)
    assert done.metrics.max_drawdown > 0.03
    assert done.counters["halts"] == 0
    assert done.digest == free.digest


def test_an_asset_that_starts_later_waits_as_cash(panel):
    for column in (panel.open, panel.high, panel.low, panel.close, panel.volume):
        column[:300, 1] = np.nan
    done = held(panel)
    assert done.quantity[299, 1] == 0.0
    assert done.quantity[-1, 1] > 0.0
    assert done.cash[250] > 0.4 * 100_000.0


def test_returns_lie_on_the_days_of_the_strategy(panel):
    weights = np.zeros((600, 2))
    weights[:, 1] = 0.3
    book = simulate(panel, weights, rules=Rules(), assets=ASSETS, start=60)
    alone = held(panel, start=60)
    beside = held(panel, start=60, daily=book.daily)
    assert alone.daily_returns.size > book.daily_returns.size == beside.daily_returns.size
    assert np.prod(1 + beside.daily_returns) == pytest.approx(
        beside.nav[book.daily[-1]] / 100_000.0, rel=1e-12
    )
    assert beside.metrics.sharpe == pytest.approx(alone.metrics.sharpe, rel=0.05)
    assert beside.metrics.max_drawdown == alone.metrics.max_drawdown


@pytest.mark.parametrize("universe", [(), ("C0", "GONE")])
def test_a_universe_without_bars_is_refused(panel, universe):
    with pytest.raises(ConfigError, match="universe"):
        buy_and_hold(panel, universe, assets=ASSETS, rules=Rules())
