"""A run by regime and season: every day counts once, for the label in force when the day before ended."""

import numpy as np
import pytest

from pipeline.backtest import metrics as m
from pipeline.backtest.benchmark import buy_and_hold
from pipeline.backtest.by_label import by_codes, by_season
from tests.support.small_run import ASSETS, small_account, small_run

LABELS = ("bear", "neutral", "bull")


@pytest.fixture(scope="module")
def run():
    return small_run(days=800).simulation


@pytest.fixture(scope="module")
def codes(run):
    return np.random.default_rng(4).integers(0, 2, run.ts.size).astype(np.int8)


def test_returns_of_all_labels_compound_to_that_of_the_run(run, codes):
    parts = by_codes(run, codes, LABELS)
    assert [part.label for part in parts] == list(LABELS)
    assert sum(part.days for part in parts) == run.daily.size
    assert sum(part.share for part in parts) == pytest.approx(1.0, rel=1e-12)
    compounded = np.prod([1.0 + (part.total_return or 0.0) for part in parts])
    assert compounded == pytest.approx(np.prod(1.0 + run.daily_returns), rel=1e-12)


def test_a_label_that_never_was_has_no_numbers(run, codes):
    bull = by_codes(run, codes, LABELS)[2]
    assert (bull.days, bull.share) == (0, 0.0)
    assert (bull.total_return, bull.sharpe, bull.max_drawdown, bull.mean_exposure) == (None,) * 4


def test_days_without_a_known_label_are_shown_as_unknown(run, codes):
    hidden = codes.copy()
    hidden[: run.ts.size // 2] = -1
    parts = by_codes(run, hidden, LABELS)
    assert parts[-1].label == "unknown"
    assert 0.4 < parts[-1].share < 0.6
    assert sum(part.days for part in parts) == run.daily.size


def test_numbers_of_a_label_are_the_metrics_of_its_days(run, codes):
    bear = by_codes(run, codes, LABELS)[0]
    chosen = [k for k in range(1, run.daily.size) if codes[run.daily[k - 1]] == 0]
    chosen = [0, *chosen] if codes[0] == 0 else chosen
    days = run.daily_returns[chosen]
    years = run.metrics.years * days.size / run.daily.size
    assert bear.sharpe == pytest.approx(m.sharpe(days, years).value, rel=1e-12)
    assert bear.max_drawdown == pytest.approx(m.drawdown(np.cumprod(1 + days), 1.0).max(), rel=1e-12)


def test_a_label_learned_from_a_return_does_not_get_that_return(run):
    """Were a day sorted by the label at its own end, up days alone would make the label of up days."""
    ends = run.nav[run.daily]
    rose = np.zeros(run.ts.size, np.int8)
    went_up = np.diff(ends, prepend=run.initial_nav) > 0.0
    for row, up in zip(run.daily, went_up, strict=True):
        rose[row:] = up
    down, up = by_codes(run, rose, ("down", "up"))
    returns = run.daily_returns
    assert up.total_return < np.prod(1.0 + returns[went_up]) - 1.0
    after = np.concatenate([[bool(rose[0])], went_up[:-1]])
    assert up.total_return == pytest.approx(np.prod(1.0 + returns[after]) - 1.0, rel=1e-9)
    assert down.days + up.days == run.daily.size


def test_seasons_change_with_new_yorks_clocks(run):
    two, three = by_season(run)
    dates = (run.ts[run.daily]).astype("datetime64[D]")
    clocks = ("2021-03-14", "2021-11-07", "2022-03-13", "2022-11-06", "2023-03-12")
    summer = np.searchsorted(np.array(clocks, "datetime64[D]"), dates, side="right") % 2 == 1
    assert (two.days, three.days) == (int(summer.sum()), int((~summer).sum()))
    assert two.total_return == pytest.approx(np.prod(1 + run.daily_returns[summer]) - 1, rel=1e-12)


def test_the_benchmark_is_measured_on_the_same_days(run, codes):
    account = small_account(days=800)
    hold = buy_and_hold(account.panel, run.symbols, assets=ASSETS, rules=account.rules, daily=run.daily)
    parts = by_codes(run, codes, LABELS, hold)
    compounded = np.prod([1.0 + part.hold_return for part in parts[:2]])
    assert compounded == pytest.approx(np.prod(1.0 + hold.daily_returns), rel=1e-12)
