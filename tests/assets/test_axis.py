"""The months of Dagster may begin after a source does; its first month brings what is older."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import polars as pl
import pytest

from assets.market.assets import market_assets
from assets.partitions import axis_start, month_range, months_from
from tests.support.desk import NOW, QUIET, START, desk_at, resources_of
from warehouse.tables import MACRO, OHLCV_DAILY

FEBRUARY = datetime(2019, 2, 1, tzinfo=UTC)


@pytest.fixture
def late(tmp_path, world):
    """A desk whose months begin one month after its source."""
    return replace(desk_at(tmp_path, overrides={"axis.first_month": "2019-02-01"}), market=world)


def run(desk, instance, first, last):
    months = months_from(axis_start(desk.market, desk.loaded))
    return dg.materialize(
        market_assets(months),
        selection=dg.AssetSelection.assets(OHLCV_DAILY.asset_key, MACRO.asset_key),
        resources=resources_of(desk),
        instance=instance,
        tags=month_range(first, last),
        run_config=QUIET,
    )


def labels(desk, table):
    return desk.warehouse.as_of(table, columns=("ts",))["ts"]


def test_the_axis_begins_with_the_source_or_with_the_configured_month(desk, late):
    assert axis_start(desk.market, desk.loaded) == START
    assert axis_start(late.market, late.loaded) == FEBRUARY


@pytest.mark.usefixtures("no_drawing")
def test_the_first_month_brings_what_is_older(late, instance):
    result = run(late, instance, FEBRUARY, NOW)
    months = {str(e.materialization.partition) for e in result.get_asset_materialization_events()}
    assert months == {"2019-02", "2019-03"}
    for table in (OHLCV_DAILY, MACRO):
        assert labels(late, table).min() < FEBRUARY
    daily = labels(late, OHLCV_DAILY)
    assert set(daily.dt.strftime("%Y-%m")) == {"2019-01", "2019-02", "2019-03"}


@pytest.mark.usefixtures("no_drawing")
def test_a_later_month_alone_brings_itself_alone(late, instance):
    run(late, instance, NOW, NOW)
    assert labels(late, OHLCV_DAILY).min() >= datetime(2019, 3, 1, tzinfo=UTC)


def test_bars_of_a_run_are_those_of_the_source(late, instance):
    run(late, instance, FEBRUARY, NOW)
    stored = late.warehouse.as_of(OHLCV_DAILY)
    delivered = late.market.bars("daily", START, NOW, now=NOW).frame
    assert stored.height == delivered.height
    assert stored["close"].sum() == pytest.approx(delivered.select(pl.col("close").sum()).item())
