"""IndexMeanReversion on six years of hourly SPY, beside a plain loop over TA-Lib's indicators."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import talib

from pipeline.features.compute import features_at_decisions
from pipeline.features.registry import parse
from pipeline.market.panel import build_panel
from pipeline.strategies.context import Context
from pipeline.strategies.index_mean_reversion import IndexMeanReversion, IndexMeanReversionParameters
from resources.market.registry import open_source
from tests.conftest import ROOT
from tests.strategies.test_strategy_invariance import instruments

pytestmark = pytest.mark.realdata
START, END = datetime(2015, 1, 5, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def spy(real_data):
    source = open_source("files", root=ROOT, data_dir=real_data, instruments=instruments())
    frame = source.bars("h4", START, END, now=datetime(2026, 1, 1, tzinfo=UTC)).frame
    return build_panel(frame.filter(pl.col("symbol") == "SPY"), ("SPY",), START, END)


def held_by_a_plain_loop(close):
    """The definitions over dense closes, with another library's indicators."""
    rsi = talib.RSI(close, 14)
    _upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    held, entry, blocked, answer = False, 0, False, []
    for t in range(close.size):
        if held:
            if rsi[t] > 70 or close[t] >= middle[t]:
                held = False
            elif t - entry == 30:
                held, blocked = False, rsi[t] < 30
        elif blocked:
            blocked = rsi[t] < 30
        elif rsi[t] < 30 and close[t] < lower[t]:
            held, entry = True, t
        answer.append(held)
    return np.array(answer)


def test_it_trades_spy_three_and_a_half_times_a_year_where_a_plain_loop_does(spy):
    params = IndexMeanReversionParameters()
    strategy = IndexMeanReversion(("SPY",))
    features = features_at_decisions(spy, None, [parse(name) for name in strategy.features(params)])
    held = strategy.weights(Context(spy, features), params)[:, 0] > 0
    rows = np.flatnonzero(spy.present[:, 0])
    plain = held_by_a_plain_loop(spy.close[rows, 0])
    # A bar is known at the end of its cell, and between two bars nothing moves.
    latest = np.searchsorted(rows, np.arange(spy.n_bars), side="right") - 1
    np.testing.assert_array_equal(held, (latest >= 0) & plain[latest])
    entries = np.count_nonzero(held[1:] & ~held[:-1])
    years = (spy.ts[rows[-1]] - spy.ts[rows[0]]) / np.timedelta64(1, "D") / 365.25
    assert entries == 21
    assert entries / years == pytest.approx(3.5, abs=0.05)
