"""A frame is brought into the bar columns, or refused naming the column."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import SchemaError, TimestampError
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA, BarState, conform_bars, conform_macro, empty

TS = datetime(2024, 7, 1, 12, tzinfo=UTC)


def bar(**changes) -> pl.DataFrame:
    row = {
        "symbol": "SPY", "ts": TS, "open_at": TS + timedelta(minutes=90), "close_at": TS + timedelta(hours=4),
        "minutes": 150, "covered_minutes": 150, "open": 545.0, "high": 546.0, "low": 544.0, "close": 545.5,
        "volume": 1e6, "adjustment": "raw", "source": "test", "venue": "XNYS", "vintage": "as_published",
        "state": "final", "simulated": True, "known_at": TS + timedelta(hours=4),
    }  # fmt: skip
    return pl.DataFrame({k: [v] for k, v in (row | changes).items()})


def test_a_frame_gets_the_declared_columns_in_order_and_type():
    mixed = bar(volume=1_000_000, open=545).select(reversed(bar().columns)).with_columns(foreign=1)
    assert conform_bars(mixed).schema == pl.Schema(BAR_SCHEMA)
    assert_frame_equal(conform_bars(mixed), conform_bars(bar()))


def test_conforming_twice_changes_nothing():
    once = conform_bars(bar())
    assert_frame_equal(conform_bars(once), once)


@pytest.mark.parametrize("column", ["volume", "venue", "minutes", "covered_minutes"])
def test_a_missing_nullable_column_becomes_null_not_zero(column):
    assert conform_bars(bar().drop(column))[column].to_list() == [None]


@pytest.mark.parametrize(
    "column", sorted(set(BAR_SCHEMA) - {"volume", "venue", "minutes", "covered_minutes", "state"})
)
def test_a_missing_required_column_is_named(column):
    with pytest.raises(SchemaError) as caught:
        conform_bars(bar().drop(column))
    assert caught.value.field == column


def test_bars_that_do_not_say_are_final():
    assert conform_bars(bar().drop("state"))["state"].to_list() == [BarState.FINAL]
    assert conform_bars(bar(state="imputed"))["state"].to_list() == ["imputed"]


def test_an_unknown_volume_is_null_and_a_nan_price_stays_for_the_rules_to_name():
    conformed = conform_bars(bar(volume=float("nan"), close=float("nan")))
    assert conformed["volume"].to_list() == [None]
    assert conformed["close"].is_nan().all()


def test_times_of_another_zone_or_unit_are_turned_into_utc_microseconds():
    new_york = bar().with_columns(
        pl.col("ts").dt.convert_time_zone("America/New_York").dt.cast_time_unit("ns"),
        pl.col("known_at").dt.cast_time_unit("ms"),
    )
    assert_frame_equal(conform_bars(new_york), conform_bars(bar()))


@pytest.mark.parametrize("column", ["ts", "open_at", "close_at", "known_at"])
def test_naive_times_are_refused_naming_the_column(column):
    with pytest.raises(TimestampError) as caught:
        conform_bars(bar().with_columns(pl.col(column).dt.replace_time_zone(None)))
    assert caught.value.field == column


@pytest.mark.parametrize(
    ("column", "value"),
    [("close", "545.5"), ("ts", "2024-07-01"), ("symbol", 7), ("simulated", "yes"), ("minutes", "150")],
)
def test_a_wrong_type_is_refused_naming_the_column(column, value):
    with pytest.raises(SchemaError) as caught:
        conform_bars(bar(**{column: value}))
    assert caught.value.field == column


@pytest.mark.parametrize(
    ("column", "word"),
    [("adjustment", "splits"), ("vintage", "newest"), ("state", "nearly"), ("state", None)],
)
def test_unknown_words_are_refused_naming_those_there_are(column, word):
    with pytest.raises(SchemaError, match=column) as caught:
        conform_bars(bar(**{column: word}))
    assert caught.value.value == word


def test_macro_values_conform_the_same_way():
    row = {
        "series": ["PMI"], "ts": [TS], "value": [float("nan")], "source": ["test"],
        "vintage": ["latest_revision"], "simulated": [False], "known_at": [TS],
    }  # fmt: skip
    macro = conform_macro(pl.DataFrame(row))
    assert macro.schema == pl.Schema(MACRO_SCHEMA)
    assert macro["value"].to_list() == [None]
    assert macro["unit"].to_list() == [None]
    with pytest.raises(SchemaError, match="series"):
        conform_macro(pl.DataFrame(row).drop("series"))


def test_an_empty_frame_has_the_columns_too():
    assert conform_bars(empty(BAR_SCHEMA)).schema == pl.Schema(BAR_SCHEMA)
