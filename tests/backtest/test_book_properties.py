"""Random books beside a book kept the slow way; `benchmarks.book_properties` does it a thousand times."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backtest import book
from pipeline.portfolio.account import RULE_NAMES
from tests.support import book_scenarios
from tests.support.book_scenarios import PAID, examine, scenario
from tests.support.random_books import in_shares_of_the_day, random_panel, random_payments, random_splits


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**63 - 1))
def test_a_random_book_breaks_no_rule_and_equals_the_slow_one(seed):
    assert examine(seed).violations == {}


@pytest.fixture(scope="module")
def sixty():
    return [examine(seed, bars=90) for seed in range(60)]


def test_every_rule_binds_in_a_tenth_of_the_books(sixty):
    bound = np.array([one.bound for one in sixty])
    assert (bound.mean(axis=0) >= 0.1).all(), dict(zip(RULE_NAMES, bound.mean(axis=0), strict=True))


def test_everything_is_paid_in_a_tenth_of_the_books(sixty):
    paid = np.array([one.paid for one in sixty])
    assert (paid.mean(axis=0) >= 0.1).all(), dict(zip(PAID, paid.mean(axis=0), strict=True))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**63 - 1))
def test_a_book_through_splits_owns_what_the_book_on_adjusted_prices_owns(seed):
    panel, contributions, killed, rules, assets = scenario(seed)
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=panel.n_bars, assets=panel.n_assets)
    panel = dataclasses.replace(panel, flows=random_payments(rng, panel))
    raw = in_shares_of_the_day(panel, random_splits(rng, panel))
    terms = {"rules": rules, "assets": [dataclasses.replace(asset, lot=0.0) for asset in assets]}
    (plain, expected), (run, ledger) = (
        book.simulate_book(one, contributions, initial_nav=book_scenarios.NAV, killed=killed, **terms)
        for one in (panel, raw)
    )
    np.testing.assert_allclose(run.nav, plain.nav, rtol=1e-9)
    np.testing.assert_allclose(run.target, plain.target, atol=1e-12)
    np.testing.assert_array_equal(run.mask, plain.mask)
    assert run.counters == plain.counters
    n = int(ledger.count[0])
    assert n == expected.count[0]
    for name in ("share", "delta", "term"):
        np.testing.assert_allclose(getattr(ledger, name)[:n], getattr(expected, name)[:n], atol=1e-9)
    np.testing.assert_allclose(ledger.pnl, expected.pnl, atol=1e-9 * book_scenarios.NAV)


@pytest.fixture
def spoilt(monkeypatch):
    """Give a switch that spoils what `simulate_book` returns before it is examined."""

    def with_(spoil):
        def worse(*args, **named):
            run, ledger = book.simulate_book(*args, **named)
            return spoil(run, ledger), ledger

        monkeypatch.setattr(book_scenarios, "simulate_book", worse)

    return with_


SEED = next(seed for seed in range(50) if examine(seed).fills > 40)


def raised(name, by):
    def spoil(run, ledger):
        array = getattr(run, name) if hasattr(run, name) else getattr(ledger, name)
        array[...] += by
        return run

    return spoil


@pytest.mark.parametrize(
    ("name", "by", "kind"),
    [
        ("share", 1e-11, "share"),
        ("delta", 1e-11, "delta"),
        ("delta", 1e-11, "unbound"),
        ("term", 1e-11, "term"),
        ("target", 1.0, "cap"),
        ("target", 1e-11, "target"),
        ("cash", 1e-4, "cash"),
        ("nav", 1e-4, "nav"),
        ("pnl", 1e-4, "profit"),
        ("mask", 2, "drawdown"),
    ],
)
def test_a_small_fault_in_what_a_book_says_is_noticed(spoilt, name, by, kind):
    spoilt(raised(name, by))
    assert kind in examine(SEED).violations


def test_a_fill_at_another_price_or_before_its_decision_is_noticed(spoilt):
    def early(run, ledger):
        return dataclasses.replace(run, filled_at=run.filled_at - np.timedelta64(1, "us"))

    spoilt(early)
    assert "fill" in examine(SEED).violations


@pytest.mark.parametrize("name", ["dividends", "interest"])
def test_a_payment_that_is_not_what_was_due_is_noticed(spoilt, name):
    spoilt(lambda run, ledger: dataclasses.replace(run, **{name: getattr(run, name) + 1e-4}))
    assert "paid" in examine(SEED).violations


def test_a_split_of_what_is_held_that_is_left_out_is_noticed(spoilt):
    seed = next(seed for seed in range(50) if examine(seed).paid[PAID.index("split")])

    def without(run, ledger):
        run.quantity[run.quantity.shape[0] // 2 :] *= 2.0
        return run

    spoilt(without)
    assert "nav" in examine(seed).violations
