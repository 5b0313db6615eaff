"""IndexMeanReversion 1.0: cases by hand, and a slow reading of the rule that keeps its own lists of bars."""

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest

from pipeline.features.compute import features_at_decisions
from pipeline.features.registry import parse
from pipeline.strategies import kernel
from pipeline.strategies.arrivals import arrivals
from pipeline.strategies.context import Context
from pipeline.strategies.index_mean_reversion import IndexMeanReversion, IndexMeanReversionParameters
from tests.support.random_books import random_panel
from tests.support.small_market import CALENDARS, small_market

QUICK = IndexMeanReversionParameters(
    rsi_bars=3, oversold=45, overbought=60, band_bars=4, band_deviations=0.3, max_bars=5
)
CHANGES = {
    "rsi_bars": 5,
    "oversold": 38.0,
    "overbought": 50.0,
    "band_bars": 6,
    "band_deviations": 0.9,
    "max_bars": 2,
}


def context_of(market, *params):
    strategy = IndexMeanReversion(tuple(CALENDARS))
    names = dict.fromkeys(name for each in params for name in strategy.features(each))
    features = features_at_decisions(market.panel, market.daily, [parse(name) for name in names])
    return Context(market.panel, features)


def rsi_of(closes, n):
    """Wilder's index of the last close, by his own recipe."""
    if len(closes) <= n:
        return math.nan
    changes = [b - a for a, b in pairwise(closes)]
    gain = sum(max(c, 0.0) for c in changes[:n]) / n
    loss = sum(max(-c, 0.0) for c in changes[:n]) / n
    for change in changes[n:]:
        gain = (gain * (n - 1) + max(change, 0.0)) / n
        loss = (loss * (n - 1) + max(-change, 0.0)) / n
    return 50.0 if gain + loss == 0 else 100.0 * gain / (gain + loss)


def read_aloud(panel, column, share, p):
    """The rule, one decision after the other, each from the list of bars that it knows."""
    weights, inside, blocked, entry, before = [], False, False, 0, None
    for t, decision in enumerate(panel.decisions):
        bars = [
            r for r in range(t + 1)
            if panel.present[r, column] and panel.known_at[r, column] <= decision
        ]  # fmt: skip
        if not bars or t - bars[-1] > 60:
            inside = blocked = False
        elif bars[-1] != before:
            since = max((i for i in range(1, len(bars)) if bars[i] - bars[i - 1] - 1 > 60), default=0)
            closes = [panel.close[r, column] for r in bars[since:]]
            rsi, last = rsi_of(closes, p.rsi_bars), closes[-p.band_bars :]
            full = len(last) == p.band_bars
            middle = statistics.fmean(last) if full else math.nan
            lower = middle - p.band_deviations * statistics.pstdev(last) if full else math.nan
            if inside:
                back = rsi > p.overbought or closes[-1] >= middle
                late = len(bars) - entry >= p.max_bars
                inside = not (back or late)
                blocked = late and not back and rsi < p.oversold
            elif blocked:
                blocked = not rsi >= p.oversold
            elif rsi < p.oversold and closes[-1] < lower:
                inside, entry = True, len(bars)
        before = bars[-1] if bars else None
        weights.append(share if inside else 0.0)
    return weights


@pytest.mark.parametrize("changed", [{}, *({name: value} for name, value in CHANGES.items())], ids=str)
def test_weights_equal_the_rule_read_aloud_with_holes_and_late_bars(changed):
    params = QUICK.model_copy(update=changed)
    market = small_market(11, days=70)
    weights = IndexMeanReversion(tuple(CALENDARS)).weights(context_of(market, params), params)
    for column in range(3):
        aloud = read_aloud(market.panel, column, 1 / 3, params)
        np.testing.assert_array_equal(weights[:, column], aloud)
        assert 0 < np.count_nonzero(aloud) < len(aloud)


def test_every_parameter_changes_a_weight():
    assert set(CHANGES) == set(IndexMeanReversionParameters.model_fields)
    params = [QUICK, *(QUICK.model_copy(update={name: value}) for name, value in CHANGES.items())]
    first, *others = IndexMeanReversion(tuple(CALENDARS)).weights_many(
        context_of(small_market(2), *params), params
    )
    for name, other in zip(CHANGES, others, strict=True):
        assert (first != other).any(), name


def told(rsi, close, *, missing=(), middle=100.0, deviation=5.0, known=None):
    """A context of one asset whose features are given bar by bar."""
    bars = len(rsi)
    panel = random_panel(np.random.default_rng(0), bars=bars, assets=1)
    ts = np.datetime64("2024-01-01", "us") + np.arange(bars) * np.timedelta64(4, "h")
    here = np.ones((bars, 1), bool)
    here[list(missing)] = False
    closed = np.where(here, (ts + np.timedelta64(4, "h"))[:, None], np.datetime64("NaT"))
    object.__setattr__(panel, "symbols", ("SPY",))
    object.__setattr__(panel, "ts", ts)
    object.__setattr__(panel, "close_at", closed)
    object.__setattr__(panel, "known_at", closed)
    values = {"close": close, "rsi_14": rsi, "bb_mid_20": [middle] * bars, "bb_sd_20": [deviation] * bars}
    return Context(panel, {name: np.array(value, float)[:, None] for name, value in values.items()})


def held(context, universe=("SPY",), **changes):
    params = IndexMeanReversionParameters(**changes)
    weights = IndexMeanReversion(universe).weights(context, params)[:, 0]
    assert set(weights) <= {0.0, 1.0 / len(universe)}
    return "".join("#" if weight else "." for weight in weights)


def test_it_enters_below_the_lower_band_when_oversold_and_only_then():
    rsi, close = [40, 25, 25, 29, 30], [80, 95, 90, 89, 80]
    assert held(told(rsi[:3], close[:3])) == "..."  # 90 is on the band, not below it
    assert held(told(rsi, close)) == "...##"
    assert held(told([30, 31], [80, 80])) == ".."


@pytest.mark.parametrize(("rsi", "close", "leaves"), [(70.1, 90, True), (70, 99.9, False), (20, 100, True)])
def test_it_leaves_at_the_first_later_close_with_a_reason(rsi, close, leaves):
    assert held(told([20, rsi], [80, close])) == ("#." if leaves else "##")


def test_a_reason_to_leave_does_not_count_at_the_close_of_the_entry():
    assert held(told([20, 20], [80, 80], middle=100, deviation=1), overbought=10.0) == "#."


def test_it_gives_up_after_thirty_bars_and_waits_until_the_index_has_left_oversold():
    rsi = [20] * 40 + [30, 20, 20]
    assert held(told(rsi, [80] * 43)) == "#" * 30 + "." * 11 + "##"
    rsi = [20] * 30 + [35] + [20, 20]
    assert held(told(rsi, [80] * 33)) == "#" * 30 + "." + "##"


def test_cells_without_a_bar_neither_move_it_nor_count():
    rsi, close = [20, 20, 20, 20, 20, 80], [80] * 6
    assert held(told(rsi, close, missing=[1, 2, 5]), max_bars=3) == "######"
    assert held(told(rsi, close, missing=[1, 2]), max_bars=2) == "####.."
    assert held(told([80, 20], [80, 80], missing=[1])) == ".."


def test_more_than_ten_days_without_a_bar_forget_the_position():
    bars = 70
    context = told([20] * bars, [80] * bars, missing=range(1, 66))
    assert held(context) == "#" * 61 + "." * 5 + "#" * 4


def test_each_long_takes_one_share_of_the_configured_universe_with_or_without_data():
    assert held(told([20], [80]), universe=("SPY", "QQQ", "DIA")) == "#"
    assert held(told([20], [80]), universe=("QQQ",)) == "."


def test_the_unknown_neither_enters_nor_leaves():
    assert held(told([math.nan, 20, math.nan, math.nan], [80, 80, 80, 80])) == ".###"
    context = told([20, 20], [80, 80], middle=math.nan)
    assert held(context) == ".."


def test_the_compiled_scan_is_the_scan_that_is_written():
    market = small_market(5)
    context = context_of(market, QUICK)
    strategy = IndexMeanReversion(tuple(CALENDARS))
    learnt = arrivals(context)
    rsi, middle, deviation = (context.feature(name) for name in strategy.features(QUICK)[1:])
    out = np.empty(context.shape)
    kernel.reversion.py_func(
        learnt.news, learnt.known, rsi, context.feature("close"), middle, deviation, np.ones(3, bool), 1 / 3,
        QUICK.oversold, QUICK.overbought, QUICK.band_deviations, QUICK.max_bars,
        np.zeros(3, int), np.zeros(3, int), out,
    )  # fmt: skip
    np.testing.assert_array_equal(strategy.weights(context, QUICK), out)


def test_a_bar_is_news_at_the_first_decision_that_knows_it():
    market = small_market(3)
    learnt, panel = arrivals(Context(market.panel, {})), market.panel
    for column in range(3):
        newest, count = [], []
        for t in range(panel.n_bars):
            rows = [r for r in range(t + 1) if panel.known_at[r, column] <= panel.decisions[t]]
            newest.append(max(rows, default=-1))
            count.append(len(rows))
        moved = np.diff(newest, prepend=-1) > 0
        gone = (np.array(newest) < 0) | (np.arange(panel.n_bars) - newest > 60)
        expected = np.where(gone, kernel.FORGOTTEN, np.where(moved, kernel.NEW_BAR, kernel.NOTHING))
        np.testing.assert_array_equal(learnt.news[:, column], expected)
        np.testing.assert_array_equal(learnt.known[:, column], count)
