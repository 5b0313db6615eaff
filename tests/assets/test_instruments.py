"""Stored symbols are known by our table or by what their source took them for, and runs name survivors."""

from datetime import UTC, datetime

import polars as pl
import pytest

from assets.market.history import read_history
from assets.market.instruments import known_before_bounds, known_instruments, listed_rows, survivors
from pipeline.config.instruments import Instrument
from pipeline.errors import DataError
from resources.market.port import Listed
from tests.support.bars_folder import bars_of
from warehouse.tables import INSTRUMENTS, OHLCV_DAILY, OHLCV_H4

SPY = Instrument(
    symbol="SPY",
    asset_class="equity",
    venue="alpaca",
    calendar="XNYS",
    currency="USD",
    tick=0.01,
    lot=0.0,
    min_notional=1.0,
)


@pytest.fixture
def warehouse(desk):
    aaa = SPY.model_copy(update={"symbol": "AAA"})
    listed = {"SPY": Listed(SPY), "AAA": Listed(aaa, like="SPY", survivors=True)}
    desk.warehouse.append(INSTRUMENTS, listed_rows(listed, "small"))
    for timeframe, table in (("h4", OHLCV_H4), ("daily", OHLCV_DAILY)):
        bars = bars_of("SPY", timeframe, 1).with_columns(feed=pl.lit("small"))
        desk.warehouse.append(table, bars)
        if timeframe == "daily":
            late = {"adjustment": pl.lit("split_dividend"), "vintage": pl.lit("latest_revision")}
            desk.warehouse.append(table, bars.with_columns(symbol=pl.lit("AAA"), **late))
    return desk.warehouse


def test_a_symbol_without_an_entry_is_what_its_source_took_it_for(warehouse):
    known = known_instruments(warehouse, "small", {})
    assert known["AAA"].symbol == "AAA"
    assert known["AAA"].calendar == "XNYS"
    assert "AAA" not in known_instruments(warehouse, "another", {"SPY": SPY})


def test_an_entry_of_the_table_wins_over_what_is_stored(warehouse):
    coarser = SPY.model_copy(update={"symbol": "AAA", "tick": 0.05})
    assert known_instruments(warehouse, "small", {"AAA": coarser})["AAA"].tick == 0.05


def test_without_a_warehouse_the_table_is_all_that_is_known(desk):
    assert not desk.warehouse.path.exists()
    assert known_instruments(desk.warehouse, "small", {"SPY": SPY}) == {"SPY": SPY}


def test_a_history_says_which_symbols_survived_and_how_their_prices_were_adjusted(warehouse):
    known = known_instruments(warehouse, "small", {"SPY": SPY})
    read = read_history(
        ("SPY", "AAA"),
        datetime(2023, 1, 1, tzinfo=UTC),
        feed="small",
        warehouse=warehouse,
        instruments=known,
    )
    assert read.provenance.survivors == ("AAA",)
    assert read.provenance.adjustment == {"SPY": "raw", "AAA": "split_dividend"}
    assert read.provenance.vintage["AAA"] == "latest_revision"
    assert survivors(warehouse, "small", ["SPY"]) == ()


def test_a_bar_known_before_the_session_closed_is_found_whatever_its_symbol(warehouse):
    bars = warehouse.as_of(OHLCV_DAILY, where={"feed": "small"})
    known = known_instruments(warehouse, "small", {"SPY": SPY})
    assert known_before_bounds(bars, "daily", known).is_empty()
    early = bars.with_columns(
        known_at=pl.when((pl.col("symbol") == "AAA") & (pl.int_range(pl.len()) % 50 == 0))
        .then("open_at")
        .otherwise("known_at")
    )
    found = known_before_bounds(early, "daily", known)
    assert set(found["symbol"]) == {"AAA"}
    assert found.height == early.filter(pl.col("known_at") == pl.col("open_at")).height


def test_a_symbol_that_nobody_knows_is_named(warehouse):
    bars = warehouse.as_of(OHLCV_DAILY, where={"feed": "small"})
    with pytest.raises(DataError, match="AAA"):
        known_before_bounds(bars, "daily", {"SPY": SPY})
