"""The risk rules as factors, held against a plain reading of the rules on random books."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.portfolio.account import LINE, QUOTE, RULE_NAMES, named, open_book, records
from pipeline.risk.limits import clamp, mark_strained, move_drawdown
from tests.support import reference_account

CLASSES = ("equity", "crypto", "equity", "crypto", "equity")
ASSETS = tuple(Tradable(f"A{i}", kind) for i, kind in enumerate(CLASSES))


def clamped(weights, held, rules, *, killed=False, halted=False, derisked=False):
    """Run the rules once; return the book and the lines."""
    record, terms = kernel_rules(rules, ASSETS[: len(weights)])
    book, lines, quotes = open_book(1000.0), records(LINE, len(weights)), records(QUOTE, len(weights))
    book["killed"], book["halted"], book["derisked"] = killed, halted, derisked
    quotes["weight"], lines["held"] = weights, held
    book["gross"] = np.abs(held).sum()
    clamp(book, lines, quotes, record, terms)
    mark_strained(book, lines, record, terms)
    return book, named(lines)


def random_book(rng):
    weights = rng.uniform(-0.2, 0.7, 5) * (rng.random(5) < 0.8)
    held = rng.uniform(-0.2, 0.6, 5) * (rng.random(5) < 0.8)
    rules = Rules(
        per_asset_cap=float(rng.choice([0.3, 0.4, math.inf])),
        class_caps={"crypto": float(rng.choice([0.2, 0.5]))},
        max_leverage=float(rng.choice([0.6, 1.0])),
    )
    killed, halted, derisked = rng.random(3) < (0.25, 0.2, 0.4)
    return weights, held, rules, {"killed": killed, "halted": halted, "derisked": derisked}


def test_factors_and_targets_equal_a_plain_reading_and_every_rule_binds_in_a_tenth_of_books():
    rng = np.random.default_rng(11)
    bound = np.zeros(6)
    books = 400
    for _ in range(books):
        weights, held, rules, states = random_book(rng)
        book, lines = clamped(weights, held, rules, **states)
        account = SimpleNamespace(
            rules=rules,
            assets={asset.symbol: asset for asset in ASSETS},
            halted_for=0 if states["halted"] else None,
            derisked=states["derisked"],
        )
        wanted = {asset.symbol: float(w) for asset, w in zip(ASSETS, weights, strict=True)}
        have = {asset.symbol: float(w) for asset, w in zip(ASSETS, held, strict=True)}
        target, _ = reference_account.clamped(account, wanted, have, killed=states["killed"])
        np.testing.assert_allclose(lines.target, list(target.values()), atol=1e-12)
        factors = np.array([lines[name] for name in RULE_NAMES])
        assert ((factors >= 0) & (factors <= 1)).all()
        assert (factors[:, weights == 0] == 1).all()
        np.testing.assert_allclose(weights * factors.prod(axis=0), lines.target, atol=1e-12)
        steps = np.cumprod(np.vstack([np.ones(5), factors]), axis=0) * weights
        deltas = np.diff(steps, axis=0)
        np.testing.assert_allclose(weights + deltas.sum(axis=0), lines.target, atol=1e-12)
        binds = np.array([bool(book["mask"] & 1 << k) for k in range(6)])
        assert (deltas[~binds] == 0).all()
        assert (np.abs(deltas[binds]).max(axis=1) > 0).all()
        bound += binds
    assert (bound >= books / 10).all(), dict(zip(RULE_NAMES, bound, strict=True))


def test_lines_strained_beyond_a_limit_equal_a_plain_reading():
    rng = np.random.default_rng(12)
    count = 0
    for _ in range(400):
        weights, held, rules, states = random_book(rng)
        states["killed"] = False
        _, lines = clamped(weights, held, rules, **states)
        account = SimpleNamespace(
            rules=rules,
            assets={asset.symbol: asset for asset in ASSETS},
            halted_for=0 if states["halted"] else None,
            derisked=states["derisked"],
        )
        wanted = {asset.symbol: float(w) for asset, w in zip(ASSETS, weights, strict=True)}
        have = {asset.symbol: float(w) for asset, w in zip(ASSETS, held, strict=True)}
        target, cut = reference_account.clamped(account, wanted, have)
        tight = reference_account.strained(account, have, target, cut)
        assert [bool(s) for s in lines.strained] == [asset.symbol in tight for asset in ASSETS]
        count += len(tight)
    assert count > 400


def test_the_order_is_kill_halt_derisk_asset_class_leverage():
    assert RULE_NAMES == ("kill", "halt", "derisk", "asset_cap", "class_cap", "leverage")
    _, lines = clamped(np.array([1.0]), np.array([0.0]), Rules(), derisked=True)
    assert lines.target[0] == pytest.approx(0.4)
    assert (lines.derisk[0], lines.asset_cap[0]) == (0.5, pytest.approx(0.8))


def test_the_kill_switch_lets_positions_shrink_and_nothing_grow():
    wanted, held = np.array([0.3, 0.1, -0.2, 0.2]), np.array([0.2, 0.15, 0.2, 0.0])
    _, lines = clamped(wanted, held, Rules(), killed=True)
    np.testing.assert_allclose(lines.target, [0.2, 0.1, 0.0, 0.0])


def test_the_class_comes_from_the_table_and_not_from_the_spelling():
    odd = (Tradable("BTC-USD", "crypto"), Tradable("XBT", "crypto"))
    record, terms = kernel_rules(Rules(), odd)
    book, lines, quotes = open_book(1.0), records(LINE, 2), records(QUOTE, 2)
    quotes["weight"] = [0.3, 0.3]
    clamp(book, lines, quotes, record, terms)
    assert lines["target"].sum() == pytest.approx(0.20)


def test_equal_weights_under_equal_states_keep_their_targets_and_a_new_state_does_not():
    record, terms = kernel_rules(Rules(), ASSETS[:1])
    book, lines, quotes = open_book(1.0), records(LINE, 1), records(QUOTE, 1)
    quotes["weight"] = 0.5
    clamp(book, lines, quotes, record, terms)
    assert lines["target"][0] == pytest.approx(0.4)
    book["halted"] = 1
    clamp(book, lines, quotes, record, terms)
    assert lines["target"][0] == 0.0
    book["halted"] = 0
    clamp(book, lines, quotes, record, terms)
    assert lines["target"][0] == pytest.approx(0.4)


def test_drawdown_is_of_nav_per_unit_so_a_deposit_is_no_gain_and_a_withdrawal_no_loss():
    record, _ = kernel_rules(Rules(), ASSETS[:1])
    book = open_book(1000.0)
    book["nav"], book["units"] = 500.0, 0.5
    move_drawdown(book, record)
    assert (book["halted"], book["derisked"], book["peak"]) == (0, 0, 1000.0)
    book["nav"] = 425.0
    move_drawdown(book, record)
    assert (book["halted"], book["derisked"]) == (0, 1)
