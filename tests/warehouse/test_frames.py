"""A frame enters only in the declared shape; what is wrong is named by column."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from pipeline.errors import DataError, SchemaError, TimestampError
from warehouse.frames import conform, schema
from warehouse.tables import FILLS, MIGRATIONS, OHLCV_H4, RUNS, TABLES, TRIALS


def test_every_declared_type_has_a_dtype():
    for table in TABLES.values():
        assert len(schema(table, [c.name for c in table.all_columns])) == len(table.all_columns)


def test_columns_come_back_in_declared_order(bars):
    mixed = bars().select(sorted(bars().columns))
    assert conform(OHLCV_H4, mixed).columns == list(OHLCV_H4.readable)


def test_a_missing_column_is_named(bars):
    with pytest.raises(SchemaError, match="field: volume"):
        conform(OHLCV_H4, bars().drop("volume"))


def test_an_undeclared_column_is_named(bars):
    with pytest.raises(SchemaError, match="field: vwap"):
        conform(OHLCV_H4, bars().with_columns(vwap=1.0))


@pytest.mark.parametrize("name", ["recorded_at", "write_id"])
def test_the_stores_own_columns_are_not_the_callers_to_give(bars, name):
    with pytest.raises(SchemaError, match=f"field: {name}"):
        conform(OHLCV_H4, bars().with_columns(pl.lit(None).alias(name)))


@pytest.mark.parametrize(
    ("name", "values"),
    [("close", ["100"] * 6), ("minutes", [240.0] * 6), ("simulated", [1] * 6), ("ts", ["2024-01-01"] * 6)],
)
def test_a_wrong_type_is_named_with_what_was_expected(bars, name, values):
    with pytest.raises(SchemaError, match=f"field: {name}.*constraint: "):
        conform(OHLCV_H4, bars().with_columns(pl.Series(name, values)))


def test_a_naive_datetime_is_refused(bars):
    naive = bars().with_columns(pl.col("known_at").dt.replace_time_zone(None))
    with pytest.raises(TimestampError, match="field: known_at"):
        conform(OHLCV_H4, naive)


def test_an_instant_in_another_zone_is_the_same_instant(bars):
    there = bars().with_columns(pl.col("ts").dt.convert_time_zone("America/New_York"))
    assert conform(OHLCV_H4, there).equals(conform(OHLCV_H4, bars()))


def test_nanoseconds_and_milliseconds_become_microseconds(bars):
    for unit in ("ns", "ms"):
        other = bars().with_columns(pl.col("ts").dt.cast_time_unit(unit))
        assert conform(OHLCV_H4, other).equals(conform(OHLCV_H4, bars()))


def test_nan_is_unknown(bars):
    frame = bars().with_columns(volume=pl.Series([1.0, float("nan"), 3.0, 4.0, 5.0, 6.0]))
    assert conform(OHLCV_H4, frame)["volume"].to_list() == [1.0, None, 3.0, 4.0, 5.0, 6.0]


def test_nan_where_a_value_must_be_known_names_the_row(bars):
    frame = bars().with_columns(close=pl.Series([1.0, 2.0, float("nan"), 4.0, 5.0, 6.0]))
    with pytest.raises(DataError, match=r"field: close.*row 2"):
        conform(OHLCV_H4, frame)


def test_a_key_cannot_be_unknown(bars):
    frame = bars().with_columns(symbol=pl.Series(["SPY", None, "SPY", "SPY", "SPY", "SPY"]))
    with pytest.raises(DataError, match="field: symbol"):
        conform(OHLCV_H4, frame)


def test_known_at_may_be_left_out_only_where_it_means_stored(bars):
    assert conform(MIGRATIONS, pl.DataFrame({"number": [1], "title": ["x"]}))["known_at"].to_list() == [None]
    with pytest.raises(SchemaError, match="field: known_at"):
        conform(OHLCV_H4, bars().drop("known_at"))


def test_whole_numbers_widen_and_too_large_ones_are_refused(bars):
    assert conform(OHLCV_H4, bars().with_columns(volume=pl.lit(7)))["volume"].dtype == pl.Float64
    with pytest.raises(SchemaError, match="field: minutes"):
        conform(OHLCV_H4, bars().with_columns(minutes=pl.lit(2**40)))


def test_an_all_unknown_column_needs_no_type(bars):
    frame = bars().with_columns(volume=pl.lit(None))
    assert conform(OHLCV_H4, frame)["volume"].to_list() == [None] * 6


def test_floats_become_ledger_decimals_rounded_to_eight_places():
    at = datetime(2024, 1, 1, tzinfo=UTC)
    row = {
        "run_id": "r", "seq": 0, "ts": at, "filled_at": at, "symbol": "SPY", "side": "buy", "quantity": 0.1,
        "price": 0.123456789, "price_before_slippage": None, "notional": 1e12, "fee": 0.0, "slippage": -0.0,
    }  # fmt: skip
    stored = conform(FILLS, pl.DataFrame([row])).row(0, named=True)
    assert stored["quantity"] == Decimal("0.10000000")
    assert stored["price"] == Decimal("0.12345679")
    assert stored["notional"] == Decimal(10**12)
    assert stored["price_before_slippage"] is None


def test_a_number_too_large_for_the_ledger_is_refused():
    frame = pl.DataFrame(schema=schema(FILLS))
    row = {name: [None] for name in frame.columns} | {"fee": [1e12]}
    with pytest.raises(SchemaError, match="field: fee"):
        conform(FILLS, pl.DataFrame(row, schema_overrides={"fee": pl.Float64}))


def test_lists_of_returns_are_stored_as_single_precision():
    row = dict.fromkeys(TRIALS.names, "x") | {
        "daily_returns": [0.1, float("nan"), None], "cash_returns": [],
        "window_start": None, "window_end": None, "ran_at": None,
    }  # fmt: skip
    stored = conform(TRIALS, pl.DataFrame([row], schema_overrides={"daily_returns": pl.List(pl.Float64)}))
    assert stored.schema["daily_returns"] == pl.List(pl.Float32)
    assert stored["daily_returns"].to_list() == [[pytest.approx(0.1), None, None]]


def test_a_frame_of_only_nulls_is_refused_by_its_first_required_column():
    frame = pl.DataFrame([dict.fromkeys(RUNS.names)])
    with pytest.raises(DataError, match="field: run_id"):
        conform(RUNS, frame)
