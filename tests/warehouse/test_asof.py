"""Reads as of an instant, against a plain Python reading of the same rules."""

import itertools
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, DataError, TimestampError
from warehouse.append import insert
from warehouse.asof import select_newest
from warehouse.store import Warehouse
from warehouse.tables import MACRO, OHLCV_H4, RUNS

DAY = timedelta(days=1)
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
SHARED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

instants = st.integers(0, 6).map(lambda days: ORIGIN + days * DAY)
rows = st.lists(
    st.tuples(
        st.sampled_from(["PMI", "CPI"]),
        st.integers(0, 1),
        instants,
        instants,
        st.one_of(st.none(), st.integers(0, 9).map(float)),
        st.sampled_from([None, "done", "dead"]),
    ),
    max_size=12,
    unique_by=lambda r: (r[0], r[1], r[2], r[3]),
)


def stored(versions):
    """Return complete rows of ``market.macro``, clocks included."""
    return pl.DataFrame(
        [
            {
                "feed": "files", "series": series, "ts": ORIGIN + 31 * DAY * period, "value": value,
                "unit": "index", "source": "x", "vintage": "as_published", "simulated": False,
                "known_at": known, "recorded_at": recorded, "write_id": write,
            }
            for series, period, known, recorded, value, write in versions
        ],
        schema={
            "feed": pl.String, "series": pl.String, "ts": pl.Datetime("us", "UTC"), "value": pl.Float64,
            "unit": pl.String, "source": pl.String, "vintage": pl.String, "simulated": pl.Boolean,
            "known_at": pl.Datetime("us", "UTC"), "recorded_at": pl.Datetime("us", "UTC"),
            "write_id": pl.String,
        },
    )  # fmt: skip


def naive(versions, at, done_at, *, recorded):
    """Return series, period and value by the rules as written, one row at a time."""
    found = {}
    for series, period, known, stored_at, value, write in versions:
        if write == "dead":
            continue
        if write == "done" and recorded and at is not None and done_at > at:
            continue
        if at is not None and (stored_at if recorded else known) > at:
            continue
        key, clocks = (series, period), (known, stored_at)
        if key not in found or clocks > found[key][0]:
            found[key] = (clocks, value)
    return [(series, period, value) for (series, period), (_, value) in sorted(found.items())]


@SHARED
@given(versions=rows, at=st.one_of(st.none(), instants), done_at=instants, recorded=st.booleans())
def test_as_of_agrees_with_the_rules_read_row_by_row(warehouse, versions, at, done_at, recorded):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.macro")
        cursor.execute("DELETE FROM meta.manifests")
        insert(cursor, MACRO, stored(versions))
        cursor.execute(
            "INSERT INTO meta.manifests (manifest_id, table_name, known_at, recorded_at, write_id)"
            " VALUES ('m', 'market.macro', ?, ?, 'done')",
            [done_at, done_at],
        )
    read = warehouse.as_of(MACRO, at, recorded=recorded)
    found = [(r["series"], (r["ts"] - ORIGIN) // (31 * DAY), r["value"]) for r in read.to_dicts()]
    assert found == naive(versions, at, done_at, recorded=recorded)
    query = select_newest(MACRO, MACRO.readable, at, recorded=recorded)
    with warehouse.read() as cursor:
        by_sql = cursor.execute(query.sql, query.parameters).pl()
    assert by_sql.sort(MACRO.key).equals(read)


@settings(SHARED, max_examples=8)
@given(
    writes=st.lists(
        st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), st.integers(0, 2)),
        min_size=1,
        max_size=5,
    )
)
def test_what_was_read_at_any_time_can_be_read_again_by_recorded_at(warehouse, clock, bars, writes):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.ohlcv_h4")
    seen = []
    for places, price in writes:
        frame = bars(n=4, price=100.0 + price)[places]
        warehouse.append(OHLCV_H4, frame)
        clock.advance(timedelta(minutes=1))
        seen.append((clock.now(), warehouse.as_of(OHLCV_H4)))
        clock.advance(timedelta(minutes=1))
    for instant, read in seen:
        assert warehouse.as_of(OHLCV_H4, instant, recorded=True).equals(read)


def test_a_correction_is_invisible_before_it_was_known(warehouse, clock, bars):
    warehouse.append(OHLCV_H4, bars(n=1))
    before = clock.now()
    clock.advance(DAY)
    warehouse.append(OHLCV_H4, bars(n=1, price=50.0))
    assert warehouse.as_of(OHLCV_H4, before)["close"].to_list() == [100.0]
    assert warehouse.as_of(OHLCV_H4, clock.now())["close"].to_list() == [50.0]


def test_a_bar_is_invisible_until_the_world_could_know_it(warehouse, bars):
    warehouse.append(OHLCV_H4, bars(n=3))
    closes = bars(n=3)["close_at"]
    for number, close_at in enumerate(closes, start=1):
        assert warehouse.as_of(OHLCV_H4, close_at).height == number
        assert warehouse.as_of(OHLCV_H4, close_at - timedelta(microseconds=1)).height == number - 1


def test_filters_select_rows_and_columns_and_times(warehouse, bars):
    warehouse.append(OHLCV_H4, pl.concat([bars(), bars("QQQ"), bars("VIX")]))
    read = warehouse.as_of(
        OHLCV_H4,
        where={"symbol": ["SPY", "VIX"], "feed": "sample"},
        columns=["symbol", "close", "recorded_at"],
        start=ORIGIN + timedelta(hours=4),
        end=ORIGIN + timedelta(hours=12),
    )
    assert read.columns == ["symbol", "close", "recorded_at"]
    assert read.select("symbol", "close").rows() == [
        ("SPY", 101.0), ("SPY", 102.0), ("VIX", 101.0), ("VIX", 102.0),
    ]  # fmt: skip


def test_a_list_of_nothing_selects_nothing_and_none_selects_unknown(warehouse, bars):
    unknown = bars("VIX").with_columns(volume=pl.lit(None, pl.Float64))
    warehouse.append(OHLCV_H4, pl.concat([bars(), unknown]))
    assert warehouse.as_of(OHLCV_H4, where={"symbol": []}).is_empty()
    assert set(warehouse.as_of(OHLCV_H4, where={"volume": None})["symbol"]) == {"VIX"}
    assert warehouse.as_of(OHLCV_H4, where={"symbol": {"VIX"}}).height == 6


def test_the_result_is_sorted_by_key_however_it_was_written(warehouse, bars):
    for symbol, start in itertools.product(["VIX", "QQQ"], [3, 0]):
        warehouse.append(OHLCV_H4, bars(symbol)[start : start + 3])
    read = warehouse.as_of(OHLCV_H4)
    assert read.equals(read.sort("feed", "symbol", "ts"))
    assert read.height == 12


def test_an_unknown_column_is_refused(warehouse):
    with pytest.raises(ConfigError, match=r"no such column.*field: price"):
        warehouse.as_of(OHLCV_H4, where={"price": 1})
    with pytest.raises(ConfigError, match=r"no such column.*field: price"):
        warehouse.as_of(OHLCV_H4, columns=["price"])


def test_a_naive_instant_is_refused(warehouse):
    naive_instant = datetime(2024, 1, 1)  # noqa: DTZ001 - the fault under test
    with pytest.raises(TimestampError, match="field: at"):
        warehouse.as_of(OHLCV_H4, naive_instant)
    with pytest.raises(TimestampError, match="field: start"):
        warehouse.as_of(OHLCV_H4, start=naive_instant)


def test_a_table_without_time_has_no_window(warehouse):
    with pytest.raises(ConfigError, match="has no time column"):
        warehouse.as_of(RUNS, start=ORIGIN)


def test_a_warehouse_that_does_not_exist_is_said_to(tmp_path, clock):
    with pytest.raises(DataError):
        Warehouse(tmp_path / "none.duckdb", now=clock.now).as_of(OHLCV_H4)


@pytest.mark.parametrize(
    "wanted", [["B"], ["A", "C"], ["A", "nothing"], [f"no {n}" for n in range(30)] + ["C"]]
)
def test_a_list_selects_any_of_its_values_however_long_it_is(warehouse, bars, wanted):
    warehouse.append(OHLCV_H4, pl.concat(bars(symbol, 3) for symbol in "ABC"))
    found = warehouse.as_of(OHLCV_H4, where={"symbol": wanted})
    assert found["symbol"].unique().sort().to_list() == sorted(set(wanted) & set("ABC"))
    assert found.height == 3 * found["symbol"].n_unique()
