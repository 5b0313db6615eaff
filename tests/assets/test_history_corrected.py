"""A bar corrected later: decisions before see it as it was, later ones as it is, and none sees a hole."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from assets.market.history import read_history
from pipeline.config.load import load_settings
from pipeline.features.registry import parse
from resources.home import ROOT
from tests.support.bars_folder import END, bars_of
from warehouse.store import Warehouse
from warehouse.tables import OHLCV_DAILY, OHLCV_H4

SYMBOL = "BTC/USD"
BAR = 3000
"""The bar that is corrected."""
LATER = BAR + 6
"""The bar at whose close the correction becomes known."""
SPECS = [parse(name) for name in ("log_return", "sma_20", "ema_20", "close_d", "sma_20d", "closes_missed_d")]
INSTRUMENTS = load_settings(root=ROOT, environ={}).settings.instruments


class Stored:
    """A warehouse with honest bars, whose clock the test sets."""

    def __init__(self, folder):
        self.now = END
        self.warehouse = Warehouse(folder / "w.duckdb", now=lambda: self.now)
        self.h4, self.daily = (
            bars_of(SYMBOL, t, 1).with_columns(pl.lit("files").alias("feed")) for t in ("h4", "daily")
        )
        self.store(OHLCV_H4, self.h4)
        self.store(OHLCV_DAILY, self.daily)

    def store(self, table, bars):
        return self.warehouse.append(table, bars)

    def read(self, end=END):
        return read_history([SYMBOL], end, feed="files", warehouse=self.warehouse, instruments=INSTRUMENTS)

    def features(self, end=END):
        return {name: values[:, 0] for name, values in self.read(end).features(SPECS).items()}


@pytest.fixture
def stored(tmp_path):
    return Stored(tmp_path)


def corrected(bars, row, factor=1.01):
    change = pl.when(pl.int_range(pl.len()) == row).then(factor).otherwise(1.0)
    return bars.with_columns(pl.col("open", "high", "low", "close") * change)


def test_a_correction_after_the_last_decision_changes_no_feature_and_no_hash(stored):
    before, hashed = stored.features(), [item.digest for item in stored.read().inputs]
    stored.now = END + timedelta(days=30)
    assert stored.store(OHLCV_H4, corrected(stored.h4, BAR)).revised == 1
    assert stored.store(OHLCV_DAILY, corrected(stored.daily, 500)).revised == 1
    after = stored.features()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)
    assert [item.digest for item in stored.read().inputs] == hashed


def test_decisions_before_a_correction_see_the_old_bar_and_those_after_it_the_new_one(stored):
    since = stored.h4["close_at"][LATER]
    stored.now = since
    new = corrected(stored.h4, BAR)
    assert stored.store(OHLCV_H4, new).revised == 1
    got = stored.features()
    for name, window in (("sma_20", 20), ("log_return", 1)):
        old_values, new_values = (
            (b["close"].rolling_mean(20) if window > 1 else b["close"].log().diff()).to_numpy()
            for b in (stored.h4, new)
        )
        np.testing.assert_allclose(got[name][:LATER], old_values[:LATER], rtol=1e-9)
        np.testing.assert_allclose(got[name][LATER:], new_values[LATER:], rtol=1e-9)
    assert not np.allclose(
        got["sma_20"][LATER], stored.h4["close"].rolling_mean(20).to_numpy()[LATER], rtol=1e-6
    )


def test_a_corrected_day_is_never_a_missed_close(stored):
    row = 400
    since = stored.daily["close_at"][row + 3]
    stored.now = since
    new = corrected(stored.daily, row)
    stored.store(OHLCV_DAILY, new)
    got = stored.features()
    assert np.nanmax(got["closes_missed_d"]) == 0
    days = stored.h4["close_at"].dt.truncate("1d") - pl.duration(days=1)
    place = (
        pl.select(days).to_series().to_frame("ts").join(stored.daily.with_row_index("n"), on="ts", how="left")
    )
    known = place["n"].to_numpy()
    decisions = stored.h4["close_at"]
    means = {
        b: frame["close"].rolling_mean(20).to_numpy() for b, frame in (("old", stored.daily), ("new", new))
    }
    for cell in range(row * 6, (row + 8) * 6):
        expected = means["new" if decisions[cell] >= since else "old"][int(known[cell])]
        assert got["sma_20d"][cell] == pytest.approx(expected, rel=1e-9)


def test_imputed_bars_are_read_like_others_and_counted(stored):
    imputed = pl.when(pl.int_range(pl.len()).is_in([10, 20])).then(pl.lit("imputed")).otherwise("state")
    other = stored.h4.with_columns(feed=pl.lit("filled"), state=imputed)
    stored.store(OHLCV_H4, other)
    stored.store(OHLCV_DAILY, stored.daily.with_columns(feed=pl.lit("filled")))
    read = read_history([SYMBOL], END, feed="filled", warehouse=stored.warehouse, instruments=INSTRUMENTS)
    assert (read.provenance.imputed, stored.read().provenance.imputed) == (2, 0)
    np.testing.assert_array_equal(read.panel.close, stored.read().panel.close)


def test_the_prices_of_fills_and_marks_are_those_first_published(stored):
    before = stored.read().panel.close[BAR, 0]
    stored.now = END + timedelta(days=1)
    stored.store(OHLCV_H4, corrected(stored.h4, BAR))
    panel = stored.read().panel
    assert panel.close[BAR, 0] == before
    assert panel.known_at[BAR, 0] == stored.h4["known_at"].dt.replace_time_zone(None).to_numpy()[BAR]


def test_a_correction_inside_the_window_changes_the_hash_of_what_was_read(stored):
    hashed = [item.digest for item in stored.read().inputs]
    stored.now = stored.h4["close_at"][LATER]
    stored.store(OHLCV_H4, corrected(stored.h4, BAR))
    now = [item.digest for item in stored.read().inputs]
    assert now[0] != hashed[0]
    assert now[1] == hashed[1]
