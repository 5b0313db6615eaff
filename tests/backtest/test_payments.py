"""Dividends, splits and interest: beside an account kept the slow way, and a split beside adjusted prices."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backtest.benchmark import on_days
from pipeline.backtest.engine import simulate
from pipeline.backtest.population import evaluate
from pipeline.backtest.rules import Rules, Tradable
from pipeline.errors import SchemaError
from pipeline.market.cell_flows import CELL_YEARS, actions_on, interest_on
from pipeline.portfolio.account import BOOK, named, records
from pipeline.portfolio.payments import bears_interest, payments_of
from pipeline.strategies.context import Context
from tests.support import reference_account
from tests.support.random_books import (
    in_shares_of_the_day,
    no_flows,
    random_assets,
    random_panel,
    random_payments,
    random_rules,
    random_splits,
    random_weights,
)
from tests.support.random_population import Draw, RandomWeights

NAV = 10_000.0
SLOW = {"max_examples": 30, "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@settings(**SLOW)
@given(st.integers(0, 10**9))
def test_dividends_splits_and_interest_are_booked_as_in_a_slow_account(seed):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=140, assets=3)
    weights, rules, assets = random_weights(rng, panel), random_rules(rng), random_assets(rng, panel)
    panel = replace(panel, flows=random_payments(rng, panel))
    panel = in_shares_of_the_day(panel, random_splits(rng, panel))
    ours = simulate(panel, weights, rules=rules, assets=assets, initial_nav=NAV)
    slow = reference_account.run(panel, weights, rules, assets, NAV)
    np.testing.assert_allclose(ours.nav, slow.navs, rtol=1e-9)
    np.testing.assert_allclose(ours.cash, slow.cashes, atol=1e-9 * NAV)
    spent = float((ours.fills.quantity * ours.fills.price + ours.fills.fee).sum())
    assert ours.cash[-1] == pytest.approx(NAV - spent + ours.interest + ours.dividends, abs=1e-6)
    assert ours.dividends > 0.0


@settings(**SLOW)
@given(st.integers(0, 10**9))
def test_an_account_through_splits_is_the_account_on_adjusted_prices(seed):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=160, assets=3)
    weights, rules = random_weights(rng, panel), random_rules(rng)
    assets = [Tradable(symbol, "crypto" if symbol[0] == "C" else "equity") for symbol in panel.symbols]
    panel = replace(panel, flows=random_payments(rng, panel))
    raw = in_shares_of_the_day(panel, random_splits(rng, panel))
    plain = simulate(panel, weights, rules=rules, assets=assets, initial_nav=NAV)
    ours = simulate(raw, weights, rules=rules, assets=assets, initial_nav=NAV)
    np.testing.assert_allclose(ours.nav, plain.nav, rtol=1e-9)
    np.testing.assert_allclose(ours.fills.fee, plain.fills.fee, rtol=1e-9)
    np.testing.assert_allclose(ours.trips.pnl, plain.trips.pnl, atol=1e-6)
    np.testing.assert_allclose(ours.trips.quantity, plain.trips.quantity, rtol=1e-9)
    assert ours.counters == plain.counters


@settings(**SLOW)
@given(st.integers(0, 10**9))
def test_round_trips_earn_all_that_an_account_earns_but_for_interest(seed):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=160, assets=3, late=False)
    panel = replace(panel, flows=random_payments(rng, panel))
    raw = in_shares_of_the_day(panel, random_splits(rng, panel))
    weights = random_weights(rng, panel)
    weights[100:] = 0.0
    rules = replace(random_rules(rng), volume_share=np.inf)
    assets = [replace(asset, lot=0.0, min_notional=0.0) for asset in random_assets(rng, panel)]
    done = simulate(raw, weights, rules=rules, assets=assets, initial_nav=NAV)
    assert done.metrics.open_round_trips == 0
    assert done.trips.dividends.sum() == pytest.approx(done.dividends, abs=1e-9 * NAV)
    assert done.trips.pnl.sum() == pytest.approx(done.final_nav - NAV - done.interest, abs=1e-9 * NAV)
    assert (done.trips.dividends > 0.0).any() == (done.dividends > 0.0)


def test_a_volume_cap_counts_old_volumes_in_the_units_of_the_fill():
    rng = np.random.default_rng(5)
    panel = random_panel(rng, bars=60, assets=1, late=False)
    flat = {name: np.full(panel.close.shape, 10.0) for name in ("open", "high", "low", "close")}
    panel = replace(panel, **flat, volume=np.full(panel.close.shape, 100.0))
    split = np.ones(panel.close.shape)
    split[40] = 4.0
    raw = in_shares_of_the_day(panel, split)
    rules = Rules(volume_share=0.1, volume_lookback=3, per_asset_cap=np.inf, class_caps={}, min_trade_usd=0.0)
    weights = np.zeros(panel.close.shape)
    weights[39:] = 1.0
    done = simulate(raw, weights, rules=rules, assets=[Tradable(panel.symbols[0], "crypto")], initial_nav=NAV)
    assert raw.volume[[39, 40], 0].tolist() == [25.0, 100.0]
    assert done.fills.quantity[0] == 10.0, "a tenth of what 25 old units are by then"


def test_a_run_that_ends_earlier_is_capped_alike_through_splits():
    rng = np.random.default_rng(6)
    panel = random_panel(rng, bars=160, assets=2)
    split = np.where(rng.random(panel.close.shape) < 0.08, 3.0, 1.0)
    raw = replace(panel, flows=replace(no_flows(panel), split=split))
    rules = replace(random_rules(rng), volume_share=0.01, volume_lookback=3)
    weights, assets = random_weights(rng, panel), random_assets(rng, panel)
    whole = simulate(raw, weights, rules=rules, assets=assets, initial_nav=NAV)
    assert whole.counters["volume_cut"] > 10
    for end in (50, 111, 140):
        part = simulate(raw.upto(end), weights[: end + 1], rules=rules, assets=assets, initial_nav=NAV)
        np.testing.assert_array_equal(part.nav, whole.nav[: end + 1])
        np.testing.assert_array_equal(part.quantity, whole.quantity[: end + 1])


def actions(*rows):
    return pl.DataFrame(
        rows,
        schema={"symbol": pl.String, "ts": pl.Datetime("us", "UTC"), "kind": pl.String, "value": pl.Float64,
                "known_at": pl.Datetime("us", "UTC")},
        orient="row",
    )  # fmt: skip


def two_days():
    """Return a panel of one equity with two sessions, 2024-07-01 and 2024-07-02."""
    from pipeline.calendar.sessions import expected_h4
    from pipeline.market.panel import Panel

    begin, end = datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 3, tzinfo=UTC)
    ts = np.arange("2024-07-01", "2024-07-03", np.timedelta64(4, "h"), dtype="datetime64[us]")
    bars = expected_h4("XNYS", begin, end)
    rows = np.searchsorted(ts, bars["ts"].dt.replace_time_zone(None).to_numpy())
    times = {name: np.full((12, 1), np.datetime64("NaT", "us")) for name in ("open_at", "close_at")}
    for name, values in times.items():
        values[rows, 0] = bars[name].dt.replace_time_zone(None).to_numpy()
    price = np.full((12, 1), np.nan)
    price[rows] = 100.0
    known = times["close_at"].copy()
    return Panel(("SPY",), ts, times["open_at"], times["close_at"], known, *(price.copy() for _ in range(5)))


def test_a_dividend_is_due_in_the_cell_of_the_ex_dates_open_and_never_before_it_is_known():
    ex, long_ago = datetime(2024, 7, 2, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
    panel = two_days()
    dividend, split = actions_on(panel, actions(("SPY", ex, "dividend", 1.5, long_ago)))
    assert dividend[:, 0].nonzero()[0].tolist() == [9], "the cell from 12:00 UTC holds the open at 13:30"
    assert (split == 1.0).all()
    late = datetime(2024, 7, 2, 17, tzinfo=UTC)
    dividend, _ = actions_on(panel, actions(("SPY", ex, "dividend", 1.5, late)))
    assert dividend[:, 0].nonzero()[0].tolist() == [11], "paid when the next cell begins"


def test_an_action_before_the_first_bar_or_after_the_last_changes_nothing():
    early, late = datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 9, tzinfo=UTC)
    told = actions(("SPY", early, "split", 4.0, early), ("SPY", late, "split", 4.0, early),
                   ("QQQ", early, "split", 4.0, early))  # fmt: skip
    dividend, split = actions_on(two_days(), told)
    assert not dividend.any()
    assert (split == 1.0).all()


def test_cash_earns_the_rate_less_what_the_broker_keeps_and_costs_the_rate_and_more():
    rate = np.array([np.nan, 0.05, 0.002])
    credit, debit = interest_on(rate, keeps=0.005, lends_at=0.015)
    np.testing.assert_allclose(credit / CELL_YEARS, [0.0, 0.045, 0.0])
    np.testing.assert_allclose(debit / CELL_YEARS, [0.015, 0.065, 0.017])


def test_a_year_of_interest_is_compounded_from_cell_to_cell():
    rng = np.random.default_rng(1)
    panel = random_panel(rng, bars=6 * 365, assets=1, late=False)
    credit, debit = interest_on(np.full(panel.n_bars, 0.04), keeps=0.0, lends_at=0.0)
    flows = replace(no_flows(panel), credit=credit, debit=debit)
    asset = [Tradable(panel.symbols[0], "crypto")]
    done = simulate(
        replace(panel, flows=flows), np.zeros(panel.close.shape), rules=Rules(), assets=asset, initial_nav=NAV
    )
    assert done.nav[-1] / NAV == pytest.approx(np.exp(0.04 * 365 / 365.25), rel=1e-6)
    assert done.interest == pytest.approx(done.nav[-1] - NAV)


def test_payments_that_are_unknown_or_do_not_fit_are_refused():
    panel = two_days()
    with pytest.raises(SchemaError, match="negative or unknown"):
        replace(no_flows(panel), dividend=np.full(panel.close.shape, np.nan))
    with pytest.raises(SchemaError, match="do not fit"):
        replace(no_flows(panel), credit=np.zeros(3))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_a_population_is_paid_as_a_single_run_is(seed):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=200, assets=3)
    flows = random_payments(rng, panel)
    if seed % 2:
        flows = replace(flows, credit=np.zeros(panel.n_bars))
    panel, rules, assets = replace(panel, flows=flows), random_rules(rng), random_assets(rng, panel)
    if seed % 3:
        panel = in_shares_of_the_day(panel, random_splits(rng, panel))
    chosen, context = RandomWeights(panel.symbols), Context(panel, {})
    seeds = [Draw(seed=seed % 1000 + n, scale=1.3, hold=1 + 10 * n) for n in range(3)]
    several = evaluate(context, chosen, seeds, rules=rules, assets=assets)
    for n, each in enumerate(seeds):
        alone = simulate(panel, chosen.weights(context, each), rules=rules, assets=assets)
        if alone.daily_returns.size == several.daily_returns.shape[1]:  # else only sessions are its days
            np.testing.assert_array_equal(several.daily_returns[n], alone.daily_returns)
        for name in ("sharpe", "sortino", "turnover", "profit_factor", "total_return"):
            known = getattr(alone.metrics, name)
            np.testing.assert_equal(several.metrics[name][n], np.nan if known is None else known)


def test_cash_a_rounding_below_zero_bears_interest_only_where_something_is_ever_paid():
    book = named(records(BOOK, 1))[0]
    book.cash = -1e-12
    flows = no_flows(random_panel(np.random.default_rng(0), bars=12, assets=1))
    paid = payments_of(replace(flows, debit=np.full(12, 1e-5)))
    assert bears_interest.py_func(book, paid)
    assert not bears_interest.py_func(book, payments_of(None))
    book.cash = 1.0
    assert not bears_interest.py_func(book, paid)


def test_every_sharpe_ratio_of_a_run_is_in_excess_of_the_same_cash():
    rng = np.random.default_rng(4)
    panel = random_panel(rng, bars=400, assets=2)
    credit, debit = interest_on(rng.uniform(0.0, 0.3, panel.n_bars), keeps=0.01, lends_at=0.02)
    flows = replace(no_flows(panel), credit=credit, debit=debit)
    assets = random_assets(rng, panel)
    done = simulate(replace(panel, flows=flows), random_weights(rng, panel), rules=Rules(), assets=assets)
    cash = [np.prod(1.0 + credit[a:b]) - 1.0 for a, b in pairwise([0, *(done.daily + 1)])]
    excess = done.daily_returns - cash
    np.testing.assert_allclose(done.excess_returns, excess, atol=1e-15)
    plain = excess.mean() / excess.std(ddof=1) * np.sqrt(excess.size / done.metrics.years)
    assert done.metrics.sharpe == pytest.approx(plain, rel=1e-12)
    assert on_days(done, done.daily).metrics.sharpe == pytest.approx(plain, rel=1e-12)


def test_a_dividend_that_is_known_when_its_ex_date_opens_goes_to_who_held_before_that_open():
    ex, open_at = datetime(2024, 7, 2, tzinfo=UTC), datetime(2024, 7, 2, 13, 30, tzinfo=UTC)
    dividend, _ = actions_on(two_days(), actions(("SPY", ex, "dividend", 1.5, open_at)))
    assert dividend[:, 0].nonzero()[0].tolist() == [9]


def test_a_late_dividend_is_paid_for_the_units_of_then():
    monday, tuesday = datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 2, tzinfo=UTC)
    panel = two_days()
    panel.open_at[0, 0] = np.datetime64("2024-06-28T13:30", "us")
    late = datetime(2024, 7, 2, 17, tzinfo=UTC)
    told = actions(("SPY", monday, "dividend", 2.0, late), ("SPY", tuesday, "split", 2.0, monday))
    dividend, split = actions_on(panel, told)
    assert split[:, 0].argmax() == 9
    assert dividend[11, 0] == 1.0, "one old share is two by then"


def test_a_bar_that_straddles_two_cells_is_paid_in_the_cell_of_its_open():
    panel = two_days()
    panel.open_at[10, 0] = np.datetime64("2024-07-02T15:30", "us")
    panel.open_at[9, 0] = np.datetime64("NaT")
    ex = datetime(2024, 7, 2, tzinfo=UTC)
    dividend, split = actions_on(
        panel, actions(("SPY", ex, "split", 2.0, ex), ("SPY", ex, "dividend", 1.0, ex))
    )
    assert split[:, 0].argmax() == dividend[:, 0].argmax() == 9
