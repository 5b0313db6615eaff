"""The kernel against an account kept the slow way, and against itself as plain Python."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backtest import engine, kernel, kernel_market, round_trips, window
from pipeline.backtest.book import simulate_book
from pipeline.backtest.engine import simulate
from pipeline.portfolio import attribution, payments, sizing
from pipeline.portfolio.account import BOOK, named
from pipeline.risk import limits
from tests.support import book_scenarios, reference_account
from tests.support.random_books import random_assets, random_panel, random_rules, random_weights

NAV = 10_000.0


def scenario(seed, bars=140):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=bars, assets=int(rng.integers(1, 5)))
    return panel, random_weights(rng, panel), random_rules(rng), random_assets(rng, panel)


def run(seed, bars=140):
    panel, weights, rules, assets = scenario(seed, bars)
    return panel, simulate(panel, weights, rules=rules, assets=assets, initial_nav=NAV), rules, assets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_the_kernel_keeps_the_same_account_as_a_slow_reference(seed):
    panel, weights, rules, assets = scenario(seed)
    ours = simulate(panel, weights, rules=rules, assets=assets, initial_nav=NAV)
    slow = reference_account.run(panel, weights, rules, assets, NAV)
    np.testing.assert_allclose(ours.nav, slow.navs, rtol=1e-9)
    np.testing.assert_allclose(ours.cash, slow.cashes, atol=1e-9 * NAV)
    assert [(f.row, panel.symbols[f.asset]) for f in ours.fills] == [f[:2] for f in slow.fills]
    np.testing.assert_allclose(ours.fills.quantity, [f[2] for f in slow.fills], rtol=1e-9)
    np.testing.assert_allclose(ours.fills.price, [f[3] for f in slow.fills], rtol=1e-12)
    targets = [[t[s] for s in panel.symbols] for t in slow.targets]
    np.testing.assert_allclose(ours.target, targets, atol=1e-12)


def test_the_random_books_give_every_rule_something_to_do():
    seen = dict.fromkeys(
        ("fills", "volume_cut", "cash_cut", "refused", "halts", "replaced", "below_floor"), 0
    )
    seen |= {"rejected": 0, "uncapped": 0}
    bound, bars = np.zeros(6), 0
    for seed in range(40):
        done = run(seed)[1]
        for name in seen:
            seen[name] += done.counters[name]
        bound += [(done.mask & 1 << k > 0).sum() for k in range(6)]
        bars += done.ts.size
    assert min(seen.values()) > 0, seen
    assert (bound[1:] / bars > 0.05).all(), bound / bars


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_money_is_neither_made_nor_lost(seed):
    _, done, rules, _ = run(seed)
    fills = done.fills
    spent = fills.quantity * fills.price + fills.fee
    by_row = np.bincount(fills.row, spent, minlength=done.ts.size)
    np.testing.assert_allclose(done.cash, NAV - np.cumsum(by_row), atol=1e-9 * NAV)
    held = np.zeros(done.quantity.shape)
    np.add.at(held, (fills.row, fills.asset), fills.quantity)
    np.testing.assert_allclose(done.quantity, np.cumsum(held, axis=0), atol=1e-9)
    before = np.concatenate([[NAV], done.nav[:-1]])
    spending = np.unique(fills.row[fills.quantity > 0])
    assert (done.cash[spending] >= -(rules.borrowing + 1e-9) * before[spending]).all()
    assert (fills.fee >= 0).all()
    assert (fills.slippage >= 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_targets_never_exceed_a_cap_at_decision_prices(seed):
    _, done, rules, assets = run(seed)
    assert (done.target <= rules.per_asset_cap + 1e-12).all()
    assert (done.target.sum(axis=1) <= rules.max_leverage + 1e-12).all()
    for name, cap in rules.class_caps.items():
        inside = [column for column, asset in enumerate(assets) if asset.asset_class == name]
        assert (done.target[:, inside].sum(axis=1) <= cap + 1e-12).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_every_fill_is_the_open_of_a_bar_that_traded_after_its_decision(seed):
    panel, done, _, _ = run(seed)
    fills = done.fills
    taken = fills.bar, fills.asset
    np.testing.assert_array_equal(fills.price_open, panel.open[taken])
    assert (panel.low[taken] <= fills.price_open).all()
    assert (fills.price_open <= panel.high[taken]).all()
    assert (panel.volume[taken] != 0.0).all()
    assert (done.filled_at >= panel.ts[fills.row]).all()
    assert (done.filled_at < panel.ts[fills.row] + np.timedelta64(4, "h")).all()


@pytest.fixture
def plain_python(monkeypatch):
    """Give a switch that takes numba away from every function of a run."""

    def interpreted(first, weights, market, rules, terms, book, lines, quotes, log, track, ledger, killed):
        ledger = ledger and ledger._replace(places=named(ledger.places))
        books = np.zeros(1, BOOK)
        books[0] = book
        taken = kernel.run_history(
            first, weights, market, named(np.array([rules]))[0], named(terms), named(books)[0],
            named(lines), named(quotes), named(log), track, ledger, killed,
        )  # fmt: skip
        for name in BOOK.names:
            book[name] = books[0][name]
        return taken

    def traced(fills, assets, units, paid):
        trips = np.empty(fills.size + assets, round_trips.TRIP)
        running = np.zeros(assets, round_trips.TRIP)
        count = round_trips.trace_trips(
            named(fills), named(running), np.zeros(assets), named(trips), units, paid
        )
        return trips[:count]

    def switch():
        for module in (limits, payments, sizing, attribution, kernel_market, round_trips, kernel):
            for name, member in list(vars(module).items()):
                if hasattr(member, "py_func"):
                    monkeypatch.setattr(module, name, member.py_func)
        monkeypatch.setattr(engine, "run_history", interpreted)
        monkeypatch.setattr(window, "last_closes", kernel_market.last_closes)
        monkeypatch.setattr(engine, "round_trips", traced)

    return switch


def test_the_same_source_gives_the_same_bits_with_and_without_numba(plain_python):
    compiled = [run(seed, bars=90)[1] for seed in range(12)]
    plain_python()
    for seed, ours in enumerate(compiled):
        plain = run(seed, bars=90)[1]
        assert plain.digest == ours.digest
        np.testing.assert_array_equal(plain.trips.pnl, ours.trips.pnl)
        assert plain.counters == ours.counters
    assert sum(done.fills.size for done in compiled) > 100


def test_the_attribution_of_a_book_has_the_same_bits_with_and_without_numba(plain_python):
    def ledgers():
        for seed in range(8):
            panel, contributions, killed, rules, assets = book_scenarios.scenario(seed, bars=60)
            run, ledger = simulate_book(panel, contributions, rules=rules, assets=assets, killed=killed)
            yield run.digest, [array[: ledger.count[0]] for array in ledger[2:8]], ledger[8:13]

    compiled = list(ledgers())
    plain_python()
    for ours, plain in zip(compiled, ledgers(), strict=True):
        assert ours[0] == plain[0]
        for left, right in zip((*ours[1], *ours[2]), (*plain[1], *plain[2]), strict=True):
            np.testing.assert_array_equal(left, right)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9), st.integers(5, 130))
def test_the_past_of_an_account_does_not_depend_on_its_future(seed, cut):
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, assets=3, late=False)
    weights, rules, assets = random_weights(rng, panel), random_rules(rng), random_assets(rng, panel)
    whole = simulate(panel, weights, rules=rules, assets=assets)
    short = simulate(panel.upto(cut), weights[: cut + 1], rules=rules, assets=assets)
    for name in ("nav", "cash", "quantity", "target", "mask"):
        np.testing.assert_array_equal(getattr(short, name), getattr(whole, name)[: cut + 1])


def test_a_run_gives_the_same_digest_every_time():
    assert len({run(5)[1].digest for _ in range(10)}) == 1
    assert run(5)[1].digest != run(6)[1].digest
