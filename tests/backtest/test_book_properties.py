"""Random books beside a book kept the slow way; `benchmarks.book_properties` does it a thousand times."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backtest import book
from pipeline.portfolio.account import RULE_NAMES
from tests.support import book_scenarios
from tests.support.book_scenarios import examine


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**63 - 1))
def test_a_random_book_breaks_no_rule_and_equals_the_slow_one(seed):
    assert examine(seed).violations == {}


def test_every_rule_binds_in_a_tenth_of_the_books():
    bound = np.array([examine(seed, bars=90).bound for seed in range(60)])
    assert (bound.mean(axis=0) >= 0.1).all(), dict(zip(RULE_NAMES, bound.mean(axis=0), strict=True))


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
