"""Metrics of the chain: facts of the real history, unknown days, causality, what rests on a correction."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.chain.days import conform_days, with_prices
from pipeline.chain.heights import HEIGHTS, estimated_heights
from pipeline.chain.metrics import Origin, days_of, derive
from pipeline.chain.rules import day_findings
from pipeline.chain.versions import dated
from warehouse.tables import METRICS_DAILY

START = datetime(2009, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def days(count, *, start=START, **columns):
    ts = [start + DAY * place for place in range(count)]
    given = {"block_count": [144] * count, "price_usd": [2.0] * count, "fees_btc": [1.0] * count} | columns
    known = [at + DAY for at in ts]
    return conform_days(pl.DataFrame({"ts": ts, "known_at": known, "simulated": [False] * count, **given}))


@pytest.fixture(scope="module")
def real(real_data):
    raw = pl.read_parquet(real_data / "chain" / "btc_chain_daily.parquet")
    at = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    renamed = raw.rename({"height_end": "height"})
    return conform_days(renamed.with_columns(ts=at, known_at=at + DAY, simulated=pl.lit(value=False)))


@pytest.mark.realdata
def test_the_real_history_has_the_thermocap_and_stock_to_flow_of_the_definitions(real):
    metrics = derive(real)
    on = {at.date(): row for at, row in zip(metrics["ts"], metrics.iter_rows(named=True), strict=True)}
    newest, june = on[date(2022, 12, 31)], on[date(2020, 6, 1)]
    assert newest["thermocap_usd"] == pytest.approx(4.7436e10, rel=1e-3)
    assert (june["height"], newest["height"]) == (632_679, 769_790)
    assert june["s2f"] == pytest.approx(28.113, abs=5e-4)
    assert newest["s2f"] == pytest.approx(57.903, abs=5e-4)
    assert newest["realized_cap_usd"] == pytest.approx(newest["market_cap_usd"] / newest["mvrv"])


@pytest.mark.realdata
def test_heights_counted_from_blocks_are_those_of_the_real_history(real):
    told = real["height"].to_list()
    counted = derive(real.with_columns(pl.lit(None, pl.Int32).alias("height")))
    assert counted["height"].to_list() == told
    assert set(counted["height_source"]) == {"chain"}


@pytest.mark.realdata
def test_the_dated_heights_are_those_of_the_real_history(real):
    told = {at.date(): height for at, height in real.select("ts", "height").iter_rows()}
    assert all(told[day] == height for day, height in HEIGHTS)
    axis = np.array(list(told), "datetime64[D]")
    counted = np.array(list(told.values()))
    assert np.abs(estimated_heights(axis) - counted).max() < 20_000, "2010, when blocks came fast"
    assert np.abs(estimated_heights(axis) - counted)[2000:].max() < 7_000, "six weeks, between two dates"


@pytest.mark.realdata
def test_later_days_move_nothing_to_the_last_bit(real):
    whole = derive(real)
    for count in (1, 364, 365, 2000, 5000):
        assert_frame_equal(derive(real.head(count)), whole.head(count), check_exact=True)


@pytest.mark.realdata
def test_metrics_are_derived_again_from_what_is_stored_of_them(real):
    metrics = derive(real)
    assert_frame_equal(derive(days_of(metrics)), metrics, check_exact=True)


@pytest.mark.realdata
def test_nothing_is_doubted_of_the_real_history(real):
    assert day_findings(derive(real), "files") == []


def test_thermocap_is_the_running_sum_of_issuance_and_fees_at_the_price_of_their_day():
    metrics = derive(days(3, price_usd=[None, 2.0, 3.0]))
    coins = 144 * 50.0
    assert metrics["issuance_btc"].to_list() == [coins, coins, coins]
    assert metrics["thermocap_usd"].to_list() == [0.0, (coins + 1) * 2.0, (coins + 1) * 5.0]
    assert metrics["miner_revenue_usd"].to_list()[0] is None, "unknown, though it counts nothing"
    assert metrics["market_cap_usd"].to_list()[1] == 2 * coins * 2.0


def test_what_came_before_a_history_is_a_named_number():
    metrics = derive(days(1, start=datetime(2019, 1, 1, tzinfo=UTC)), Origin(556_462, 1e10))
    assert metrics["height"].to_list() == [556_606]
    assert metrics["thermocap_usd"].to_list() == [1e10 + (144 * 12.5 + 1.0) * 2.0]


def test_a_missing_day_leaves_what_is_cumulative_unknown_from_there_on():
    given = days(800)
    holed = given.filter(pl.col("ts") != START + 400 * DAY)
    metrics = derive(holed)
    assert metrics.height == 799
    after = metrics.filter(pl.col("ts") > START + 400 * DAY)
    assert after["thermocap_usd"].null_count() == after.height
    assert after["flow_365_btc"].is_not_null().sum() == 800 - 400 - 365
    assert {finding.rule for finding in day_findings(metrics, "x")} == {"gap"}


def test_a_height_told_after_a_hole_is_counted_on_from_there_and_between_is_estimated():
    height = [None, None, 500, None]
    metrics = derive(days(4, block_count=[144, None, 100, 10], height=height))
    assert metrics["height_source"].to_list() == ["chain", "schedule", "chain", "chain"]
    assert metrics["height"].to_list()[2:] == [500, 510]
    assert metrics["issuance_btc"].to_list()[2] is None, "an estimate and a count do not make a difference"


def test_windows_need_all_their_days():
    metrics = derive(days(366))
    assert metrics["s2f"].null_count() == metrics["puell"].null_count() == 364
    assert metrics["s2f"].to_list()[-1] == pytest.approx(366 / 365)
    assert metrics["puell"].to_list()[-1] == pytest.approx(1.0)


def test_a_day_is_known_no_earlier_than_the_days_it_rests_on():
    known = [START + 9 * DAY, START + 2 * DAY, START + 10 * DAY]
    assert derive(days(3, known_at=known))["known_at"].to_list() == [known[0], known[0], known[2]]


def test_a_price_makes_a_day_known_no_earlier_than_itself():
    given = days(2, price_usd=[None, 7.0])
    since = [START + 3 * DAY, START + 9 * DAY]
    prices = pl.DataFrame({"ts": given["ts"], "price_usd": [5.0, 6.0], "known_at": since})
    priced = with_prices(given, prices)
    assert priced["price_usd"].to_list() == [5.0, 7.0]
    assert priced["known_at"].to_list() == [since[0], START + 2 * DAY]


def test_a_new_day_that_rests_on_a_corrected_one_is_known_with_the_correction():
    now = START + 100 * DAY
    stored = derive(days(3))
    corrected = derive(days(4, fees_btc=[1.0, 8.0, 1.0, 1.0]))
    known = dated(corrected, stored, METRICS_DAILY.values, now)["known_at"].to_list()
    assert known == [START + DAY, now, now, now]
    same = dated(derive(days(4)), stored, METRICS_DAILY.values, now)["known_at"].to_list()
    assert same == [START + DAY * place for place in (1, 2, 3, 4)]


def test_supply_off_the_schedule_and_falling_heights_are_doubted():
    given = days(3, height=[143, 287, 250], supply_btc=[7200.0, 14_400.0, 19_000.0])
    assert {finding.rule for finding in day_findings(derive(given), "x")} == {"falling", "off_schedule"}
