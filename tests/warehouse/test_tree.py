"""The digest tree of stored tables: equal to hashing everything, while hashing only what is new."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from warehouse.digest import digest_frame
from warehouse.store import Warehouse
from warehouse.tables import EQUITY, OHLCV_H4, QUARANTINE

HOUR = timedelta(hours=1)
MONTH = 31 * 6
"""H4 cells of January."""


@pytest.fixture
def market(bars):
    """Return three symbols over a good three months."""
    return pl.concat(
        [bars(s, n=3 * MONTH, price=p) for s, p in (("BTC/USD", 4e4), ("QQQ", 9.0), ("SPY", 1e2))]
    )


def rehashed(warehouse, **how):
    """Return the digest of what `as_of` reads, hashed from nothing."""
    return digest_frame(OHLCV_H4, warehouse.as_of(OHLCV_H4, **how))


def test_the_digest_is_that_of_what_is_read(warehouse, market):
    done = warehouse.append(OHLCV_H4, market)
    found = warehouse.latest_digest(OHLCV_H4)
    assert found.digest == done.digest == rehashed(warehouse)
    assert found.rows == market.height
    assert found.leaves == found.hashed == 12


def test_nothing_is_hashed_twice(warehouse, market):
    warehouse.append(OHLCV_H4, market)
    first = warehouse.latest_digest(OHLCV_H4)
    again = warehouse.latest_digest(OHLCV_H4)
    assert (again.digest, again.rows, again.hashed) == (first.digest, first.rows, 0)


def test_only_leaves_with_new_rows_are_hashed(warehouse, clock, market, bars):
    warehouse.append(OHLCV_H4, market)
    warehouse.latest_digest(OHLCV_H4)
    clock.advance(HOUR)
    warehouse.append(OHLCV_H4, bars("SPY", n=3 * MONTH + 2)[-2:])
    found = warehouse.latest_digest(OHLCV_H4)
    assert (found.leaves, found.hashed) == (12, 1)
    assert found.digest == rehashed(warehouse)


def test_a_correction_of_an_old_month_is_seen(warehouse, clock, market, bars):
    warehouse.append(OHLCV_H4, market)
    before = warehouse.latest_digest(OHLCV_H4)
    clock.advance(HOUR)
    warehouse.append(OHLCV_H4, bars("SPY", n=1, price=3.0))
    after = warehouse.latest_digest(OHLCV_H4)
    assert after.hashed == 1
    assert after.rows == before.rows
    assert after.digest == rehashed(warehouse) != before.digest


def test_rows_recorded_at_the_same_instant_as_kept_leaves_are_seen(warehouse, market, bars):
    warehouse.append(OHLCV_H4, market)
    warehouse.latest_digest(OHLCV_H4)
    warehouse.append(OHLCV_H4, bars("VIX"))
    assert warehouse.latest_digest(OHLCV_H4).digest == rehashed(warehouse)


def test_rows_that_were_deleted_are_missed(warehouse, market):
    warehouse.append(OHLCV_H4, market)
    warehouse.latest_digest(OHLCV_H4)
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.ohlcv_h4 WHERE symbol = 'QQQ' AND ts < '2024-02-01'")
    assert warehouse.latest_digest(OHLCV_H4).digest == rehashed(warehouse)


def test_remembered_leaves_serve_other_processes(warehouse, clock, market):
    warehouse.append(OHLCV_H4, market)
    first = warehouse.latest_digest(OHLCV_H4, remember=True)
    other = Warehouse(warehouse.path, now=clock.now).latest_digest(OHLCV_H4)
    assert (other.digest, other.rows, other.hashed) == (first.digest, first.rows, 0)


def test_remembering_again_replaces_leaves_in_place(warehouse, clock, market, bars):
    warehouse.append(OHLCV_H4, market)
    warehouse.latest_digest(OHLCV_H4, remember=True)
    clock.advance(HOUR)
    warehouse.append(OHLCV_H4, bars("SPY", n=1, price=3.0))
    warehouse.latest_digest(OHLCV_H4, remember=True)
    with warehouse.read() as cursor:
        kept = cursor.execute("SELECT count(*), count(DISTINCT (month, block)) FROM meta.digests").fetchall()
    assert kept == [(12, 12)]


def test_an_earlier_instant_is_hashed_from_the_rows_known_then(warehouse, clock, market, bars):
    warehouse.append(OHLCV_H4, market)
    then = clock.now()
    old = warehouse.latest_digest(OHLCV_H4)
    clock.advance(HOUR)
    warehouse.append(OHLCV_H4, bars("SPY", n=1, price=3.0))
    warehouse.latest_digest(OHLCV_H4, remember=True)
    for recorded in (False, True):
        found = warehouse.latest_digest(OHLCV_H4, then, recorded=recorded)
        assert found.digest == old.digest
        assert found.rows == old.rows
    assert warehouse.latest_digest(OHLCV_H4).digest == rehashed(warehouse)


def test_blocks_can_be_selected(warehouse, market):
    warehouse.append(OHLCV_H4, market)
    warehouse.latest_digest(OHLCV_H4, remember=True)
    for where in ({"symbol": "SPY"}, {"symbol": ["SPY", "QQQ"], "feed": "sample"}, {"symbol": "none"}):
        found = warehouse.latest_digest(OHLCV_H4, where=where)
        assert found.digest == rehashed(warehouse, where=where)
        assert found.hashed == 0


def test_a_part_of_a_block_has_no_digest(warehouse, market):
    with pytest.raises(ConfigError, match=r"covers whole blocks.*field: close"):
        warehouse.latest_digest(OHLCV_H4, where={"close": 1.0})


def test_rows_of_an_unfinished_write_are_no_content(warehouse, market):
    warehouse.append(OHLCV_H4, market)
    before = warehouse.latest_digest(OHLCV_H4)
    with warehouse.write() as cursor:
        cursor.execute(
            "INSERT INTO market.ohlcv_h4 SELECT * REPLACE ('dead' AS write_id, 'DOGE' AS symbol)"
            " FROM market.ohlcv_h4 LIMIT 5"
        )
    assert warehouse.latest_digest(OHLCV_H4).digest == before.digest


def test_tables_without_time_have_one_leaf_for_each_block(warehouse, bars):
    curves = pl.concat(
        bars(n=4).select(pl.lit(run).alias("run_id"), "ts", nav="close", drawdown=0.0, cash=1.0, gross=0.5)
        for run in ("r1", "r2")
    )
    warehouse.append(EQUITY, curves)
    found = warehouse.latest_digest(EQUITY)
    assert (found.leaves, found.digest) == (2, digest_frame(EQUITY, curves))
    assert warehouse.latest_digest(EQUITY, where={"run_id": "r1"}).rows == 4


def test_an_empty_table_has_a_digest(warehouse):
    found = warehouse.latest_digest(QUARANTINE)
    assert (found.rows, found.leaves) == (0, 0)
    assert len(found.digest) == 64


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(
        st.tuples(
            st.sampled_from(["SPY", "QQQ"]),
            st.lists(st.integers(0, 3 * MONTH - 1), min_size=1, max_size=4, unique=True),
            st.integers(0, 1),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_written_the_tree_equals_hashing_everything(warehouse, clock, bars, writes):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.ohlcv_h4")
    for symbol, places, price, remember in writes:
        warehouse.append(OHLCV_H4, bars(symbol, n=3 * MONTH, price=100.0 + price)[places])
        assert warehouse.latest_digest(OHLCV_H4, remember=remember).digest == rehashed(warehouse)
        clock.advance(HOUR)
