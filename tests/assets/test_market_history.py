"""Market and feature assets over the sample world: rows, versions, months, and what the UI is told."""

import base64
import io
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest
from PIL import Image

from pipeline.calendar.sessions import expected_h4
from pipeline.errors import DataError, SourceError
from pipeline.market.bars import QUARANTINE_SCHEMA
from resources.market.port import Fetched
from tests.support.desk import NOW, START, damaged, desk_at, materialize
from warehouse.tables import FEATURES_H4, MACRO, OHLCV_DAILY, OHLCV_H4, TRUTH

ASSETS = {"market/ohlcv_h4", "market/ohlcv_daily", "market/macro", "market/truth", "features/h4"}
QUIET = "market/corporate_actions"
"""The asset that has no rows in the sample world: nothing is split or paid out there."""
MONTHS = ["2019-01", "2019-02", "2019-03"]
TABLES = {"/".join(t.asset_key): t for t in (OHLCV_H4, OHLCV_DAILY, MACRO, TRUTH, FEATURES_H4)}


def materializations(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dict[str, dg.MetadataValue]]:
    """Metadata by asset and month."""
    events = [e.materialization for e in result.get_asset_materialization_events()]
    return {(e.asset_key.to_user_string(), str(e.partition)): dict(e.metadata) for e in events}


def counted(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    """One number of each asset, as the newest month shows it."""
    return {
        asset: facts[name].value
        for (asset, month), facts in materializations(result).items()
        if name in facts
    }


@pytest.fixture(scope="module")
def stored(tmp_path_factory, world):
    """Run the whole history twice on one warehouse: the first result, the second, and the desk."""
    desk = replace(desk_at(tmp_path_factory.mktemp("stored")), market=world)
    with dg.DagsterInstance.ephemeral() as instance:
        first = materialize(desk, instance)
        desk.clock.advance(timedelta(minutes=1))
        return first, materialize(desk, instance), desk


def test_every_asset_is_materialised_once_for_each_month(stored):
    first, _, _ = stored
    assert first.success
    assert set(materializations(first)) == {(asset, month) for asset in ASSETS | {QUIET} for month in MONTHS}


def test_the_bars_stored_are_those_the_calendar_expects(stored):
    _, _, desk = stored
    rows = desk.warehouse.as_of(OHLCV_H4, columns=("symbol", "ts"))
    for symbol, calendar in {"BTC/USD": "24/7", "ETH/USD": "24/7", "SPY": "XNYS", "QQQ": "XNYS"}.items():
        closed = expected_h4(calendar, START, NOW).filter(pl.col("close_at") <= NOW)
        assert rows.filter(pl.col("symbol") == symbol)["ts"].to_list() == closed["ts"].to_list()
    assert set(rows["symbol"]) == {"BTC/USD", "ETH/USD", "SPY", "QQQ"}


def test_the_forming_bar_is_not_stored(stored):
    _, _, desk = stored
    newest = desk.warehouse.as_of(OHLCV_H4)["close_at"].max()
    assert newest == datetime(2019, 3, 20, 12, tzinfo=UTC) <= NOW


def test_row_counts_of_the_months_add_up_to_what_is_stored(stored):
    first, _, desk = stored
    facts = materializations(first)
    for asset, table in TABLES.items():
        months = {month: facts[asset, month]["dagster/partition_row_count"].value for month in MONTHS}
        total = desk.warehouse.as_of(table).height
        assert sum(months.values()) == total > 0
        assert all(months.values())
        assert facts[asset, MONTHS[-1]]["dagster/row_count"].value == total


def test_what_is_about_the_whole_run_stands_on_its_newest_month_only(stored):
    facts = materializations(stored[0])
    assert {"stored bars", "gaps", "dagster/row_count", "inserted", "picture"} <= set(
        facts["market/ohlcv_h4", MONTHS[-1]]
    )
    for asset in sorted(ASSETS | {QUIET}):
        for month in MONTHS[:-1]:
            told = {name for name in facts[asset, month] if not name.startswith("dagster/data")}
            assert told <= {"dagster/partition_row_count", "dagster/code_version", "simulated"}, asset


def test_a_second_run_fetches_everything_and_writes_nothing(stored):
    first, second, desk = stored
    assert {asset for asset, rows in counted(first, "inserted").items() if rows > 0.0} == ASSETS
    assert counted(second, "inserted") == dict.fromkeys(ASSETS | {QUIET}, 0.0)
    assert counted(second, "revised") == dict.fromkeys(ASSETS | {QUIET}, 0.0)
    assert counted(second, "unchanged") == counted(first, "inserted")
    with desk.warehouse.read() as cursor:
        versions = cursor.execute("SELECT count(*) FROM market.ohlcv_h4").fetchall()[0][0]
    assert versions == desk.warehouse.as_of(OHLCV_H4).height


def test_what_the_ui_plots_are_plain_finite_numbers(stored):
    facts = materializations(stored[0])
    for asset in ASSETS:
        plotted = {
            name: value.value
            for name, value in facts[asset, MONTHS[-1]].items()
            if isinstance(value, dg.FloatMetadataValue)
        }
        assert {"inserted", "revised", "unchanged"} <= set(plotted)
        assert all(type(value) is float and math.isfinite(value) for value in plotted.values())


def test_every_result_says_that_its_rows_are_simulated(stored):
    assert counted(stored[0], "simulated") == dict.fromkeys(ASSETS | {QUIET}, True)


def test_each_run_draws_one_small_picture_for_each_asset(stored):
    for result in stored[:2]:
        with_picture = {key for key, facts in materializations(result).items() if "picture" in facts}
        assert with_picture == {(asset, MONTHS[-1]) for asset in ASSETS}
        for key in with_picture:
            markdown = materializations(result)[key]["picture"].value
            encoded = re.fullmatch(r"!\[[^]]+\]\(data:image/png;base64,(.+)\)", markdown)
            png = base64.b64decode(encoded[1], validate=True)
            assert len(png) < 100_000
            with Image.open(io.BytesIO(png)) as image:
                assert image.format == "PNG"
                assert 600 <= image.width <= 1600
                assert len(set(image.convert("L").tobytes())) > 8


def test_the_event_log_stays_small(stored):
    first, _, _ = stored
    sizes = [len(dg.serialize_value(e)) for e in first.get_asset_materialization_events()]
    assert sum(sizes) < 400_000


def test_every_write_left_a_manifest_with_the_run_that_made_it(stored):
    first, second, desk = stored
    manifests = desk.warehouse.query("manifests")
    assert set(manifests["dagster_run_id"]) == {first.run_id, second.run_id}
    assert set(manifests["config_hash"]) == {desk.loaded.config_hash}


def test_a_single_month_touches_only_that_month(desk, instance, no_drawing):
    february = datetime(2019, 2, 1, tzinfo=UTC)
    result = materialize(desk, instance, only="market/ohlcv_h4", first=february, last=february)
    assert result.success
    assert set(materializations(result)) == {("market/ohlcv_h4", "2019-02")}
    rows = desk.warehouse.as_of(OHLCV_H4)
    assert rows["ts"].min() == february
    assert rows["ts"].max() == datetime(2019, 2, 28, 20, tzinfo=UTC)


def test_features_of_one_month_equal_those_of_the_whole_history(stored, instance, no_drawing):
    _, _, desk = stored
    march = datetime(2019, 3, 1, tzinfo=UTC)
    result = materialize(desk, instance, only="features/h4", first=march, last=march)
    assert counted(result, "revised") == {"features/h4": 0.0}
    assert counted(result, "inserted") == {"features/h4": 0.0}
    assert counted(result, "unchanged")["features/h4"] > 0


def test_time_brings_new_bars_and_leaves_the_old_ones(desk_of, instance, no_drawing):
    assert materialize(desk_of(), instance, only="market/ohlcv_h4").success
    later = desk_of(NOW + timedelta(hours=8))
    result = materialize(later, instance, only="market/ohlcv_h4", first=NOW)
    # BTC/USD and ETH/USD close at 16:00 and 20:00; New York opened at 13:30 and closes at 20:00.
    assert counted(result, "inserted") == {"market/ohlcv_h4": 8.0}
    assert counted(result, "revised") == {"market/ohlcv_h4": 0.0}


def revise(at: datetime, by: float):
    """Multiply one BTC/USD bar's volume."""

    def alter(timeframe: str, fetched: Fetched) -> Fetched:
        row = (pl.col("symbol") == "BTC/USD") & (pl.col("ts") == at)
        changed = pl.when(row).then(pl.col("volume") * by).otherwise(pl.col("volume"))
        return replace(fetched, frame=fetched.frame.with_columns(volume=changed))

    return alter


def test_a_revised_bar_is_a_new_version_known_from_now_on(desk_of, instance, no_drawing):
    at = datetime(2019, 2, 5, 8, tzinfo=UTC)
    before, later = desk_of(), desk_of(NOW + timedelta(hours=1))
    assert materialize(before, instance, only="market/ohlcv_h4").success
    result = materialize(damaged(later, alter_bars=revise(at, 2.0)), instance, only="market/ohlcv_h4")
    assert counted(result, "revised") == {"market/ohlcv_h4": 1.0}
    bar = {"where": {"symbol": "BTC/USD"}, "start": at, "end": at + timedelta(hours=4)}
    old = later.warehouse.as_of(OHLCV_H4, NOW, **bar)
    new = later.warehouse.as_of(OHLCV_H4, **bar)
    assert new["volume"][0] == 2.0 * old["volume"][0]
    assert old["known_at"][0] == at + timedelta(hours=4)
    assert new["known_at"][0] == NOW + timedelta(hours=1)


def test_rows_that_broke_a_rule_are_kept_aside_once(desk, instance, no_drawing):
    bad = pl.DataFrame(
        {
            "dataset": ["market.ohlcv_h4"],
            "symbol": ["SPY"],
            "ts": [datetime(2019, 2, 5, 12, tzinfo=UTC)],
            "rule": ["range"],
            "severity": ["error"],
            "reason": ["high 1.0 below close 2.0"],
            "row_json": ['{"high": 1.0}'],
        },
        schema=dict(QUARANTINE_SCHEMA),
    )
    source = damaged(desk, alter_bars=lambda timeframe, fetched: replace(fetched, quarantined=bad))
    results = [materialize(source, instance, only="market/ohlcv_h4") for _ in range(2)]
    assert [counted(r, "quarantined") for r in results] == [{"market/ohlcv_h4": 1.0}] * 2
    aside = desk.warehouse.query("quarantined", feed="sample")
    assert aside.select("symbol", "rule", "rows").rows() == [("SPY", "range", 1)]


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (DataError("the file is damaged", field="close"), 1),
        (SourceError("no such folder", field="data_dir"), 1),
        (ConnectionError("the venue hung up"), 2),
    ],
)
def test_only_what_may_pass_is_tried_again(desk, instance, no_drawing, failure, tries):
    def alter(timeframe: str, fetched: Fetched) -> Fetched:
        if source.calls < tries or tries == 1:
            raise failure
        return fetched

    planted = damaged(desk, alter_bars=alter)
    source = planted.market
    result = materialize(planted, instance, only="market/ohlcv_h4")
    assert source.calls == tries
    assert result.success is (tries > 1)


def test_a_failed_step_carries_our_own_error_as_its_cause(desk, instance):
    def broken(timeframe: str, fetched: Fetched) -> Fetched:
        raise DataError("the file is damaged", field="close", fix="fetch it again")

    result = materialize(damaged(desk, alter_bars=broken), instance, only="market/ohlcv_h4")
    (failure,) = [e for e in result.all_node_events if e.is_step_failure]
    links, link = [], failure.step_failure_data.error
    while link:
        links.append(link)
        link = link.cause
    assert "DataError" in [link.cls_name for link in links]
    assert any("fix: fetch it again" in link.message for link in links)
