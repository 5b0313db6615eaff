"""What materialisations of the chain show: each month its own figures, the whole run once, checks."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from assets.chain.assets import chain_assets
from assets.market.assets import market_assets
from assets.partitions import month_range, months_from
from resources.chain.nothing import NoChain
from tests.support.desk import NOW, QUIET, START, desk_at, resources_of
from tests.support.loopback.bitcoin import BitcoinNode, made_chain
from tests.support.loopback.server import LoopbackServer
from tests.support.node_source import node_at
from warehouse.tables import BLOCKS, CORPORATE_ACTIONS, MACRO, METRICS_DAILY, OHLCV_DAILY, OHLCV_H4

DAY = timedelta(days=1)


def materialised(desk, *further):
    months, tables = months_from(START), (*further, OHLCV_DAILY, BLOCKS, METRICS_DAILY)
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [*market_assets(months), *chain_assets(months)],
            selection=[dg.AssetKey(list(table.asset_key)) for table in tables],
            resources=resources_of(desk),
            instance=instance,
            tags=month_range(START, desk.clock.now()),
            run_config=QUIET,
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    desk = desk_at(tmp_path_factory.mktemp("chain"), NOW)
    return desk, materialised(desk)


def test_the_simulated_chain_has_a_day_for_every_day_of_the_world_at_its_price(sample):
    desk, done = sample
    assert done.success
    days = desk.warehouse.as_of(METRICS_DAILY)
    assert days["ts"].to_list() == [START + DAY * n for n in range((NOW - START).days)]
    closes = desk.warehouse.as_of(OHLCV_DAILY, where={"symbol": "BTC/USD"})["close"]
    assert days["price_usd"].to_list() == closes.to_list()
    assert days["simulated"].all()
    assert (days["known_at"] == days["ts"] + DAY).all()


def months_of(done, asset):
    """Return what the event of each month says of an asset of the chain."""
    events = done.get_asset_materialization_events()
    own = [event for event in events if event.asset_key == dg.AssetKey(["chain", asset])]
    return {event.partition: {k: v.value for k, v in event.materialization.metadata.items()} for event in own}


def test_every_month_shows_the_figures_of_its_own_last_day(sample):
    desk, done = sample
    days = desk.warehouse.as_of(METRICS_DAILY).sort("ts")
    ends = days.group_by(pl.col("ts").dt.strftime("%Y-%m").alias("month"), maintain_order=True).last()
    told = months_of(done, "metrics_daily")
    for name in ("price_usd", "height", "thermocap_usd", "s2f", "mvrv", "puell", "hash_rate_ths"):
        expected = {m: value for m, value in ends.select("month", name).iter_rows() if value is not None}
        assert {month: facts[name] for month, facts in told.items() if name in facts} == expected
    assert len({facts["price_usd"] for facts in told.values()}) == 3


def test_what_is_about_the_whole_run_stands_on_its_newest_month_only(sample):
    _, done = sample
    *earlier, newest = months_of(done, "metrics_daily").values()
    assert "data:image/png" in newest["picture"]
    assert newest["dagster/row_count"] == newest["inserted"] == 78
    plotted = {"dagster/partition_row_count", "price_usd", "height", "thermocap_usd", "hash_rate_ths"}
    unplotted = {"simulated", "dagster/code_version", "s2f", "mvrv", "puell"}
    for facts in earlier:
        assert {name for name in facts if not name.startswith("dagster/data")} <= plotted | unplotted


def test_a_month_of_blocks_shows_the_height_that_it_ended_with(tmp_path):
    eight_hours = made_chain(3 * 70, seconds=8 * 3600, start=int(START.timestamp()))
    desk = desk_at(tmp_path, NOW)
    with LoopbackServer(BitcoinNode(eight_hours), clock=desk.clock) as server:
        done = materialised(replace(desk, chain=node_at(server.url, desk.clock)))
    assert done.success
    told = months_of(done, "blocks")
    assert [facts["tip_height"] for facts in told.values()] == [92.0, 176.0, 209.0]
    assert [facts["stale_blocks"] for facts in told.values()] == [0.0, 0.0, 0.0]
    assert [facts.get("dagster/row_count") for facts in told.values()] == [None, None, 210]


def test_a_materialisation_says_how_its_days_were_judged(sample):
    _, done = sample
    judged = {
        e.check_name: e.passed for e in done.get_asset_check_evaluations() if e.asset_key.path[0] == "chain"
    }
    assert judged
    assert all(judged.values())


def test_files_of_the_chain_alone_leave_the_market_empty_and_say_so(tmp_path):
    rows = [f"{START + DAY * n:%Y-%m-%d},{100 + n},144\n" for n in range(60)]
    (tmp_path / "days.csv").write_text("date,price,blocks\n" + "".join(rows))
    mapping = tmp_path / "my-chain.yaml"
    mapping.write_text("chain: {days: {path: days.csv, columns: {price_usd: price, block_count: blocks}}}\n")
    desk = desk_at(tmp_path, NOW, {"source": "files", "system.files_mapping": str(mapping)})
    done = materialised(desk, OHLCV_H4, MACRO, CORPORATE_ACTIONS)
    assert done.success
    events = [e for e in done.get_asset_materialization_events() if e.asset_key.path[0] == "market"]
    said = {
        e.asset_key.path[1]: e.materialization.metadata["rows"].value
        for e in events
        if "rows" in e.materialization.metadata
    }
    assert said == dict.fromkeys(
        ("ohlcv_h4", "ohlcv_daily", "macro", "corporate_actions"),
        "the mapping of my-chain holds the chain alone",
    )
    assert all(e.passed for e in done.get_asset_check_evaluations() if e.asset_key.path[0] == "market")
    days = desk.warehouse.as_of(METRICS_DAILY)
    assert (days["feed"].unique().to_list(), days.height) == (["my-chain"], 60)


def test_a_feed_without_chain_rows_says_so_and_breaks_nothing(tmp_path):
    desk = replace(desk_at(tmp_path, NOW), chain=NoChain("sample", "the mapping has no chain part"))
    done = materialised(desk)
    assert done.success
    events = [e for e in done.get_asset_materialization_events() if e.asset_key.path[0] == "chain"]
    said = [e.materialization.metadata["rows"].value for e in events if "rows" in e.materialization.metadata]
    assert set(said) == {"the mapping has no chain part", "the source tells no blocks"}
    assert desk.warehouse.as_of(METRICS_DAILY).is_empty()
