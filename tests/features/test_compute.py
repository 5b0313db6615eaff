"""Features reach a decision when what they are made of is known, and not before."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import talib

from pipeline.errors import ConfigError, SchemaError, TimestampError
from pipeline.features.compute import features_at_decisions, features_table
from pipeline.features.registry import STANDARD, parse
from tests.support.small_market import CALENDARS, SmallMarket, small_market


@pytest.fixture(scope="module")
def market() -> SmallMarket:
    return small_market(11, days=60)


def features(market: SmallMarket, *names: str, **options) -> dict[str, np.ndarray]:
    specs = [parse(name) for name in names]
    return features_at_decisions(market.panel, market.daily, specs, expected=market.expected, **options)


def last(values: np.ndarray) -> float:
    return float(values[-1]) if values.size else np.nan


def test_h4_features_equal_talib_on_the_bars_known_at_each_decision(market):
    ours = features(market, "sma_5", "rsi_4", "close")
    panel = market.panel
    for column, symbol in enumerate(panel.symbols):
        if symbol == "ETH/USD":
            continue  # starts anew in between, see below
        for i, decision in enumerate(panel.decisions):
            known = panel.present[: i + 1, column] & (panel.known_at[: i + 1, column] <= decision)
            closes = panel.close[: i + 1, column][known]
            expected = (last(closes), *(last(f) if closes.size else np.nan for f in talib_of(closes)))
            got = tuple(ours[name][i, column] for name in ("close", "sma_5", "rsi_4"))
            np.testing.assert_allclose(got, expected, rtol=1e-9)


def talib_of(closes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not closes.size:
        return closes, closes
    return talib.SMA(closes, 5), talib.RSI(closes, 4)


def test_daily_features_equal_talib_on_the_closes_known_at_each_decision(market):
    ours = features(market, "close_d", "momentum_3d", "sma_4d", "atr_3d")
    for column, symbol in enumerate(market.panel.symbols):
        days = market.daily.filter(pl.col("symbol") == symbol).sort("ts")
        known_at = days["known_at"].dt.replace_time_zone(None).to_numpy()
        for i, decision in enumerate(market.panel.decisions):
            high, low, close = (
                days[name].to_numpy()[known_at <= decision] for name in ("high", "low", "close")
            )
            expected = [last(close)]
            if close.size:
                expected += [last(talib.ROCP(close, 3)), last(talib.SMA(close, 4))]
                expected += [last(talib.ATR(high, low, close, 3))]
            else:
                expected += [np.nan] * 3
            got = [ours[name][i, column] for name in ("close_d", "momentum_3d", "sma_4d", "atr_3d")]
            np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_an_absence_of_more_than_ten_days_starts_h4_features_anew_but_not_daily_ones():
    market = small_market(12, days=60, holes=0.0, late=0.0)
    eth = market.panel.symbols.index("ETH/USD")
    own = np.flatnonzero(market.panel.present[:, eth])
    returned = own[np.argmax(np.diff(own)) + 1]
    values = features(market, "sma_3", "close", "sma_3d")
    assert np.isfinite(values["sma_3"][returned - 1, eth]), "the old value is carried through the absence"
    np.testing.assert_array_equal(
        np.isnan(values["sma_3"][returned : returned + 3, eth]), [True, True, False]
    )
    assert np.isfinite(values["close"][returned, eth])
    assert np.isfinite(values["sma_3d"][returned : returned + 3, eth]).all()


def test_a_daily_close_is_seen_after_the_session_and_never_during_it():
    market = small_market(13, days=20, holes=0.0, late=0.0)
    spy = market.panel.symbols.index("SPY")
    seen = features(market, "close_d")["close_d"][:, spy]
    days = market.daily.filter(pl.col("symbol") == "SPY").sort("ts")
    for label, close, known_at in days.select("ts", "close", "known_at").iter_rows():
        for hour in (12, 16, 20):
            at = np.datetime64(label.replace(tzinfo=None) + timedelta(hours=hour))
            assert seen[market.panel.decisions == at] != close
        first = np.flatnonzero(seen == close)
        if first.size:
            assert market.panel.decisions[first[0]] >= np.datetime64(known_at.replace(tzinfo=None))


def test_missed_closes_are_counted_from_the_calendar():
    market = small_market(14, days=30, holes=0.0, late=0.0)
    cut = market.daily["ts"].min() + timedelta(days=10)
    stopped = replace(market, daily=market.daily.filter(pl.col("ts") < cut))
    missed = features(stopped, "closes_missed_d")["closes_missed_d"]
    btc, spy = (market.panel.symbols.index(symbol) for symbol in ("BTC/USD", "SPY"))
    assert np.isnan(missed[0]).all()
    at = market.panel.decisions == np.datetime64(cut.replace(tzinfo=None) + timedelta(days=7, hours=4))
    assert missed[at, btc] == 7
    assert missed[at, spy] == 4, "one week has five sessions, and Martin Luther King's day is none"
    assert set(features(market, "closes_missed_d")["closes_missed_d"][20:].ravel()) == {0.0}


def test_a_close_without_a_range_is_a_close_but_has_no_range(market):
    bare = replace(market, daily=market.daily.with_columns(high=pl.lit(None, pl.Float64)))
    np.testing.assert_array_equal(features(bare, "sma_5d")["sma_5d"], features(market, "sma_5d")["sma_5d"])
    with pytest.raises(Exception, match="no price"):
        features(bare, "atr_5d")


def test_rows_of_the_table_are_bars_with_what_was_known_at_their_decision(market):
    values = features(market, *(spec.name for spec in STANDARD))
    table = features_table(market.panel, values)
    assert table.height == market.panel.present.sum()
    assert table.columns == ["symbol", "ts", *(spec.name for spec in STANDARD), "known_at"]
    assert table.select(pl.struct("symbol", "ts").is_duplicated().any()).item() is False
    for row in table.sample(50, seed=1).iter_rows(named=True):
        column = market.panel.symbols.index(row["symbol"])
        i = int(np.flatnonzero(market.panel.ts == np.datetime64(row["ts"].replace(tzinfo=None)))[0])
        stored = [row[spec.name] if row[spec.name] is not None else np.nan for spec in STANDARD]
        np.testing.assert_array_equal(stored, [values[spec.name][i, column] for spec in STANDARD])
        known = max(market.panel.decisions[i], market.panel.known_at[i, column])
        assert np.datetime64(row["known_at"].replace(tzinfo=None)) == known


def test_features_without_daily_bars_need_no_daily_bars(market):
    nothing = replace(market, daily=market.daily.clear())
    assert np.isnan(features(nothing, "close_d")["close_d"]).all()
    assert np.isfinite(features(nothing, "sma_5")["sma_5"][-1]).all()
    assert features_table(nothing.panel, features(nothing, "sma_5")).height


def test_given_memory_is_filled_and_views_of_it_are_returned(market):
    out = np.empty((2, market.panel.n_bars, len(CALENDARS)))
    values = features(market, "sma_5", "close_d", out=out)
    assert all(np.shares_memory(out, array) for array in values.values())
    np.testing.assert_array_equal(out[0], features(market, "sma_5")["sma_5"])
    with pytest.raises(SchemaError, match="out"):
        features(market, "sma_5", out=out)


def test_what_cannot_be_computed_is_refused(market):
    with pytest.raises(ConfigError, match="twice"):
        features(market, "sma_5", "sma_5")
    with pytest.raises(ConfigError, match="expected"):
        features_at_decisions(market.panel, market.daily, [parse("closes_missed_d")])
    with pytest.raises(SchemaError, match="known_at"):
        features(replace(market, daily=market.daily.drop("known_at")), "close_d")
    with pytest.raises(TimestampError, match="twice"):
        features(replace(market, daily=pl.concat([market.daily, market.daily.head(1)])), "close_d")
