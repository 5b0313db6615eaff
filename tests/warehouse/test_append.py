"""What an append stores: only what differs, as versions on two clocks, and nothing at all when refused."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.errors import DataError, SchemaError
from warehouse.append import _near, prepare
from warehouse.digest import digest_frame
from warehouse.tables import BLOCKS, MACRO, OHLCV_H4, QUARANTINE, RUNS

HOUR = timedelta(hours=1)


def versions(warehouse, table=OHLCV_H4):
    with warehouse.read() as cursor:
        return cursor.execute(f"SELECT * FROM {table.full_name} ORDER BY ALL").pl()


def test_new_keys_are_inserted_with_the_known_at_they_come_with(warehouse, clock, bars):
    done = warehouse.append(OHLCV_H4, bars())
    assert (done.rows_in, done.inserted, done.revised, done.unchanged) == (6, 6, 0, 0)
    stored = versions(warehouse)
    assert stored["known_at"].equals(bars()["known_at"])
    assert stored["recorded_at"].unique().to_list() == [clock.now()]
    assert stored["write_id"].null_count() == 6


def test_equal_rows_write_nothing(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, bars())
    clock.advance(HOUR)
    done = warehouse.append(OHLCV_H4, bars().reverse())
    assert (done.inserted, done.revised, done.unchanged) == (0, 0, 6)
    assert versions(warehouse).height == 6


def test_rows_that_differ_only_in_bookkeeping_or_known_at_are_equal(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, bars())
    clock.advance(HOUR)
    again = bars().with_columns(pl.col("known_at") + HOUR, source=pl.lit("another file"))
    assert warehouse.append(OHLCV_H4, again).unchanged == 6


def test_a_correction_is_a_new_version_known_no_earlier_than_now(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, bars())
    clock.advance(HOUR)
    corrected = bars().with_columns(close=pl.when(pl.col("close") == 102.0).then(102.5).otherwise("close"))
    done = warehouse.append(OHLCV_H4, corrected)
    assert (done.inserted, done.revised, done.unchanged) == (0, 1, 5)
    new = versions(warehouse).filter(pl.col("close") == 102.5)
    assert new["known_at"].to_list() == [clock.now()]
    assert new["recorded_at"].to_list() == [clock.now()]


def test_a_correction_keeps_a_later_known_at_that_it_comes_with(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, bars(n=1))
    later = clock.now() + 3 * HOUR
    warehouse.append(OHLCV_H4, bars(n=1, price=50.0).with_columns(known_at=pl.lit(later)))
    assert warehouse.as_of(OHLCV_H4)["known_at"].to_list() == [later]
    assert warehouse.as_of(OHLCV_H4, clock.now())["close"].to_list() == [100.0]


def test_versions_of_one_instant_still_follow_one_another(warehouse, clock, bars):
    for price in (100.0, 101.0, 102.0):
        warehouse.append(OHLCV_H4, bars(n=1, price=price))
    recorded = versions(warehouse)["recorded_at"].sort().to_list()
    step = timedelta(microseconds=1)
    assert recorded == [clock.now(), clock.now() + step, clock.now() + 2 * step]
    assert warehouse.as_of(OHLCV_H4)["close"].to_list() == [102.0]


def test_a_value_that_changes_and_changes_back_leaves_three_versions(warehouse, clock, bars):
    for price in (100.0, 101.0, 100.0):
        warehouse.append(OHLCV_H4, bars(n=1, price=price))
        clock.advance(HOUR)
    assert versions(warehouse).height == 3
    assert warehouse.as_of(OHLCV_H4)["close"].to_list() == [100.0]


def test_a_value_that_becomes_unknown_and_known_again_is_a_change(warehouse, clock, bars):
    for volume, revised in ((1000.0, 0), (None, 1), (None, 0), (1000.0, 1)):
        frame = bars(n=1).with_columns(volume=pl.lit(volume, pl.Float64))
        assert warehouse.append(OHLCV_H4, frame).revised == revised
        clock.advance(HOUR)


def test_a_new_feed_or_symbol_is_a_new_key(warehouse, bars):
    warehouse.append(OHLCV_H4, bars())
    assert warehouse.append(OHLCV_H4, bars(feed="files", price=7.0)).inserted == 6
    assert warehouse.append(OHLCV_H4, bars("QQQ", price=7.0)).inserted == 6
    assert warehouse.append(OHLCV_H4, bars()).unchanged == 6


def test_more_symbols_than_are_looked_up_by_list_are_still_found(warehouse, bars):
    many = pl.concat([bars(f"S{i:03d}", n=2) for i in range(80)])
    warehouse.append(OHLCV_H4, many)
    assert warehouse.append(OHLCV_H4, many).unchanged == 160


def blocks(numbers, state="active"):
    """Return blocks whose hash is made of their number, one every ten minutes."""
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=10 * number) for number in numbers]
    rows = pl.DataFrame({"height": list(numbers), "ts": at, "known_at": at}).with_columns(
        hash=pl.col("height").cast(pl.String).str.pad_start(64, "0"),
        prev_hash=pl.lit("0" * 64),
        feed=pl.lit("node"),
        state=pl.lit(state),
        simulated=pl.lit(value=False),
    )
    absent = [name for name in BLOCKS.names if name not in rows.columns]
    return rows.with_columns(pl.lit(None).alias(name) for name in absent)


def test_more_hashes_than_are_looked_up_by_list_are_still_found(warehouse):
    warehouse.append(BLOCKS, blocks(range(500)))
    again = warehouse.append(BLOCKS, blocks(range(350, 600)))
    assert (again.inserted, again.revised, again.unchanged) == (100, 0, 150)
    stale = warehouse.append(BLOCKS, blocks(range(500, 600), "stale"))
    assert (stale.inserted, stale.revised, stale.unchanged) == (0, 100, 0)
    assert warehouse.duplicates(BLOCKS) == 0


def test_many_hashes_are_compared_with_their_own_rows_and_no_others(warehouse):
    warehouse.append(BLOCKS, blocks(range(500)))
    frame = prepare(BLOCKS, blocks(range(400, 600))).frame
    near, parameters = _near(BLOCKS, frame)
    with warehouse.read() as cursor:
        cursor.register("incoming_", frame.to_arrow())
        query = f"SELECT count(*) FROM {BLOCKS.full_name} WHERE {near}"
        assert cursor.execute(query, parameters).fetchall() == [(100,)]


def test_a_repeated_equal_row_in_one_frame_is_written_once(warehouse, bars):
    done = warehouse.append(OHLCV_H4, pl.concat([bars(), bars()]))
    assert (done.rows_in, done.inserted, done.unchanged) == (12, 6, 6)


def test_one_key_with_two_contents_is_refused_and_nothing_is_written(warehouse, bars):
    with pytest.raises(DataError, match="one key comes with different contents"):
        warehouse.append(OHLCV_H4, pl.concat([bars("QQQ"), bars(), bars(price=7.0)]))
    assert versions(warehouse).is_empty()


def test_a_refused_frame_does_not_even_create_the_file(tmp_path, clock, bars):
    from warehouse.store import Warehouse

    fresh = Warehouse(tmp_path / "fresh.duckdb", now=clock.now)
    with pytest.raises(SchemaError):
        fresh.append(OHLCV_H4, bars().drop("close"))
    assert not fresh.path.exists()


def test_an_empty_frame_writes_nothing(warehouse, bars):
    done = warehouse.append(OHLCV_H4, bars(n=0))
    assert (done.rows_in, done.inserted) == (0, 0)


def test_the_digest_is_that_of_the_rows_handed_in(warehouse, bars):
    first = warehouse.append(OHLCV_H4, bars())
    assert first.digest == digest_frame(OHLCV_H4, bars())
    assert warehouse.append(OHLCV_H4, bars().reverse()).digest == first.digest


def test_a_table_written_once_takes_the_same_row_again_and_no_other(warehouse, run_row):
    warehouse.append(RUNS, run_row(sharpe=1.0))
    assert warehouse.append(RUNS, run_row(sharpe=1.0, seconds=99.0)).unchanged == 1
    with pytest.raises(DataError, match=r"already written with other contents.*run_id"):
        warehouse.append(RUNS, run_row(sharpe=2.0))
    assert warehouse.as_of(RUNS)["sharpe"].to_list() == [1.0]


def test_a_run_is_known_when_it_is_stored(warehouse, clock, run_row):
    warehouse.append(RUNS, run_row())
    assert warehouse.as_of(RUNS)["known_at"].to_list() == [clock.now()]


def test_quarantine_takes_rows_without_time_or_symbol_and_repeats_of_them(warehouse):
    row = {
        "feed": "files", "dataset": "ohlcv_h4", "symbol": None, "ts": None, "rule": "unreadable",
        "severity": "error", "reason": "no time", "row_json": "{}",
    }  # fmt: skip
    kinds = {"symbol": pl.String, "ts": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame([row, row, row | {"row_json": '{"a":1}'}], schema_overrides=kinds)
    assert warehouse.append(QUARANTINE, frame).inserted == 2
    assert warehouse.append(QUARANTINE, frame).unchanged == 3


# grades


def in_state(frame, state, close=None):
    changed = frame.with_columns(state=pl.lit(state))
    return changed if close is None else changed.with_columns(close=pl.lit(close))


def test_a_final_bar_replaces_a_provisional_one_which_the_past_still_sees(warehouse, clock, bars):
    honest = bars(n=1)
    warehouse.append(OHLCV_H4, in_state(honest, "provisional", 100.25))
    decided = clock.now()
    clock.advance(HOUR)
    assert warehouse.append(OHLCV_H4, honest).revised == 1
    for recorded in (False, True):
        before = warehouse.as_of(OHLCV_H4, decided, recorded=recorded)
        after = warehouse.as_of(OHLCV_H4, clock.now(), recorded=recorded)
        assert before.select("state", "close").rows() == [("provisional", 100.25)]
        assert after.select("state", "close").rows() == [("final", 100.0)]
    assert after["known_at"].to_list() == [clock.now()]


def test_a_final_bar_equal_to_the_provisional_one_is_still_a_version(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, in_state(bars(n=1), "provisional"))
    clock.advance(HOUR)
    assert warehouse.append(OHLCV_H4, bars(n=1)).revised == 1


@pytest.mark.parametrize(
    ("stored", "come", "newest"),
    [
        ("final", "provisional", "final"),
        ("final", "imputed", "final"),
        ("provisional", "imputed", "provisional"),
        ("imputed", "provisional", "provisional"),
        ("imputed", "final", "final"),
        ("provisional", "final", "final"),
    ],
)
def test_a_bar_gives_way_only_to_one_no_less_complete(warehouse, clock, bars, stored, come, newest):
    warehouse.append(OHLCV_H4, in_state(bars(n=1), stored))
    clock.advance(HOUR)
    done = warehouse.append(OHLCV_H4, in_state(bars(n=1), come, 100.5))
    assert warehouse.as_of(OHLCV_H4)["state"].to_list() == [newest]
    assert (done.revised, done.unchanged) == ((1, 0) if come == newest else (0, 1))


# vintages


def vintage(values, *, month=1):
    """Return one reference period as published at several instants: ``{day: value}``."""
    days = [datetime(2024, 3, day, tzinfo=UTC) for day in values]
    n = len(days)
    return pl.DataFrame(
        {
            "feed": ["files"] * n, "series": ["PMI"] * n, "ts": [datetime(2024, month, 1, tzinfo=UTC)] * n,
            "value": list(values.values()), "unit": ["index"] * n, "source": ["x"] * n,
            "vintage": ["as_published"] * n, "simulated": [False] * n, "known_at": days,
        }
    )  # fmt: skip


def at(day):
    return datetime(2024, 3, day, 12, tzinfo=UTC)


def test_a_vintaged_history_keeps_its_own_known_at(warehouse):
    done = warehouse.append(MACRO, vintage({1: 50.0, 10: 51.0, 20: 49.0}), corrections="given")
    assert done.inserted == 3
    read = [warehouse.as_of(MACRO, at(day))["value"].to_list() for day in (1, 9, 10, 25)]
    assert read == [[50.0], [50.0], [51.0], [49.0]]


def test_appending_a_vintaged_history_again_writes_nothing(warehouse, clock):
    history = vintage({1: 50.0, 10: 51.0, 20: 49.0})
    warehouse.append(MACRO, history, corrections="given")
    clock.advance(HOUR)
    assert warehouse.append(MACRO, history, corrections="given").unchanged == 3


def test_a_vintage_that_returns_to_an_older_value_survives_one_that_comes_between_them(warehouse, clock):
    warehouse.append(MACRO, vintage({1: 50.0}), corrections="given")
    for late in ({20: 50.0}, {10: 51.0}):
        clock.advance(HOUR)
        warehouse.append(MACRO, vintage(late), corrections="given")
    read = [warehouse.as_of(MACRO, at(day))["value"].to_list() for day in (5, 15, 25)]
    assert read == [[50.0], [51.0], [50.0]]


def test_a_vintage_and_its_return_in_one_frame_are_both_kept(warehouse, clock):
    warehouse.append(MACRO, vintage({1: 50.0}), corrections="given")
    clock.advance(HOUR)
    assert warehouse.append(MACRO, vintage({10: 51.0, 20: 50.0}), corrections="given").inserted == 2
    assert warehouse.as_of(MACRO, at(25))["value"].to_list() == [50.0]


def test_a_vintage_that_was_told_wrong_is_told_again_under_its_own_known_at(warehouse, clock):
    warehouse.append(MACRO, vintage({1: 50.0, 10: 51.0}), corrections="given")
    before = clock.now()
    clock.advance(HOUR)
    assert warehouse.append(MACRO, vintage({1: 49.0}), corrections="given").revised == 1
    assert warehouse.as_of(MACRO, at(5))["value"].to_list() == [49.0]
    assert warehouse.as_of(MACRO, at(15))["value"].to_list() == [51.0]
    with warehouse.read() as cursor:
        stored = cursor.execute("SELECT count(*) FROM market.macro WHERE recorded_at <= ?", [before])
        assert stored.fetchall() == [(2,)]


def test_an_older_vintage_that_comes_late_does_not_hide_newer_ones(warehouse, clock):
    warehouse.append(MACRO, vintage({10: 51.0}), corrections="given")
    clock.advance(HOUR)
    warehouse.append(MACRO, vintage({1: 50.0}), corrections="given")
    assert warehouse.as_of(MACRO, at(5))["value"].to_list() == [50.0]
    assert warehouse.as_of(MACRO)["value"].to_list() == [51.0]


def test_two_contents_of_one_vintage_are_refused(warehouse):
    both = pl.concat([vintage({1: 50.0}), vintage({1: 51.0})])
    with pytest.raises(DataError, match="one key comes with different contents"):
        warehouse.append(MACRO, both, corrections="given")
