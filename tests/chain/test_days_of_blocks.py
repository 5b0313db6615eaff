"""Days counted from blocks: where a day ends, days without blocks, what nobody knows of the first ones."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.chain.canonical import day_totals
from pipeline.chain.days import BLOCK_SCHEMA
from pipeline.chain.metrics import derive
from pipeline.errors import DataError

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GENESIS = datetime(2009, 1, 3, 18, 15, 5, tzinfo=UTC)


def blocks(times, *, first=0, **columns):
    """Return a chain with a block at each time, known an hour later."""
    count = len(times)
    medians = [sorted(times[max(0, place - 10) : place + 1])[min(place, 10) // 2] for place in range(count)]
    told = {
        "hash": [f"{place:064x}" for place in range(count)],
        "prev_hash": [f"{place - 1:064x}" if place else "0" * 64 for place in range(count)],
        "ts": times,
        "median_time": medians,
        "height": list(range(first, first + count)),
        "tx_count": [2] * count,
        "difficulty": [1.0] * count,
        "subsidy_btc": [50.0] * count,
        "fees_btc": [0.5] * count,
        "state": ["active"] * count,
        "simulated": [False] * count,
        "known_at": [at + HOUR for at in times],
    } | columns
    absent = {name: [None] * count for name in BLOCK_SCHEMA if name not in told}
    return pl.DataFrame(told | absent, schema=dict(BLOCK_SCHEMA))


def every(step, count, start):
    return [start + step * place for place in range(count)]


def test_the_six_days_between_the_first_block_and_the_second_are_days_without_blocks():
    mined = every(timedelta(minutes=10), 400, datetime(2009, 1, 9, 2, 54, tzinfo=UTC))
    days = day_totals(blocks([GENESIS, *mined]))
    assert days["ts"].to_list()[0] == datetime(2009, 1, 3, tzinfo=UTC)
    assert days["block_count"].to_list()[:7] == [1, 0, 0, 0, 0, 0, 127]
    assert days["height"].to_list()[:7] == [0, 0, 0, 0, 0, 0, 127]
    assert days["fees_btc"].to_list()[1:6] == days["issuance_btc"].to_list()[1:6] == [0.0] * 5
    metrics = derive(days.with_columns(price_usd=2.0))
    assert metrics["thermocap_usd"].to_list()[6] == pytest.approx(128 * 50.5 * 2.0)
    assert metrics["thermocap_usd"].null_count() == 0, "a day without blocks is no unknown day"


def test_a_day_without_blocks_is_known_when_the_one_that_ended_it_is():
    mined = every(timedelta(minutes=10), 40, datetime(2009, 1, 9, 2, 54, tzinfo=UTC))
    days = day_totals(blocks([GENESIS, *mined]))
    closing = mined[0] + HOUR
    assert days["known_at"].to_list()[0] >= closing
    assert days["known_at"].is_sorted()


def test_a_fee_that_one_block_lacks_leaves_the_day_unknown_and_not_zero():
    times = every(HOUR, 72, datetime(2009, 1, 3, tzinfo=UTC))
    days = day_totals(blocks(times, fees_btc=[None, *[0.5] * 71]))
    assert days["fees_btc"].to_list() == [None, 12.0]


@pytest.mark.parametrize(("hour", "whole"), [(20, 5), (23, 6)])
def test_of_a_chain_that_begins_later_no_day_counts_that_may_lack_a_block(hour, whole):
    start = datetime(2020, 3, 4, hour, tzinfo=UTC)
    days = day_totals(blocks(every(HOUR, 100, start), first=620_000))
    assert days["ts"].to_list()[0] == datetime(2020, 3, whole, tzinfo=UTC)
    assert days["height"].to_list()[0] == 619_999 + (24 - hour) + 24 * (whole - 4)


def test_later_blocks_change_no_day_that_was_over():
    times = every(timedelta(minutes=31), 400, datetime(2009, 1, 3, tzinfo=UTC))
    whole = day_totals(blocks(times))
    for count in (60, 200, 333):
        some = day_totals(blocks(times[:count]))
        assert_frame_equal(some, whole.head(some.height), check_exact=True)


def test_a_hole_in_the_chain_is_an_error_and_no_day():
    holed = blocks(every(HOUR, 50, GENESIS)).filter(pl.col("height") != 20)
    with pytest.raises(DataError, match="not whole"):
        day_totals(holed)
