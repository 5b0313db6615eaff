"""A real ``dagster dev``: the job main over GraphQL, its metadata, and the result in the DuckDB file."""

import io
import os
from datetime import UTC, datetime

import duckdb
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from assets.partitions import RANGE_END, RANGE_START
from benchmarks.dagster_server import LOCATION, REPOSITORY, ROOT, DagsterServer, members
from benchmarks.screenshots import FLAGS, GRAPH_CLIP, SIZE, asset_graph, backtest_run, browser_path
from pipeline.calendar.sessions import expected_h4

pytestmark = pytest.mark.slow

SHORT = {
    "EIGHTBELLS_SYSTEM__BACKTEST__START": "2020-02-01T00:00:00Z",
    "EIGHTBELLS_SYSTEM__BACKTEST__END": "2020-05-01T00:00:00Z",
}
WINDOW = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 5, 1, tzinfo=UTC))
HISTORY = {RANGE_START: "2019-01", RANGE_END: "2020-04"}
MATERIALIZATIONS = """
query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(limit: 40) { runId partition metadataEntries { label
    ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue }
    ... on TextMetadataEntry { text } ... on BoolMetadataEntry { boolValue }
    ... on MarkdownMetadataEntry { mdStr } ... on PathMetadataEntry { path } } } } } }"""
NODES = """
{ assetNodes { assetKey { path } groupName description kinds
  owners { ... on TeamAssetOwner { team } } isPartitioned
  metadataEntries { label ... on TableSchemaMetadataEntry { schema { columns { name } } } }
  assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }"""
DRY_RUN = """
mutation($schedule: ScheduleSelector!, $at: Float!) {
  scheduleDryRun(selectorData: $schedule, timestamp: $at) {
  ... on DryRunInstigationTick { evaluationResult { error { message } runRequests {
    runKey jobName tags { key value } } } } } }"""
VALUES = ("intValue", "floatValue", "text", "boolValue", "mdStr", "path")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    cache = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))}
    with DagsterServer(tmp_path_factory.mktemp("home"), {**SHORT, **cache}) as running:
        yield running
        leader = running.process_id
        assert len(members(leader)) > 2
    assert members(leader) == []


@pytest.fixture(scope="module")
def main_run(server) -> str:
    """Launch the whole job over sixteen months, as the UI's button does, and wait for it."""
    run_id = server.launch("main", HISTORY)
    status = server.wait_for(run_id, timeout_s=300.0)
    assert status == "SUCCESS", server.log.read_text()[-4000:]
    return run_id


def latest(server: DagsterServer, *path: str) -> dict[str, object]:
    """Return the metadata of the newest materialisation, all months of one run together."""
    events = server.ask(MATERIALIZATIONS, key={"path": path})["assetOrError"]["assetMaterializations"]
    entries = [entry for event in events for entry in event["metadataEntries"]]
    return {
        entry["label"]: next(entry[kind] for kind in VALUES if kind in entry)
        for entry in reversed(entries)
        if any(kind in entry for kind in VALUES)
    }


def file_answers(server: DagsterServer, sql: str) -> list[tuple]:
    with duckdb.connect(str(server.home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_ui_is_told_what_every_asset_is(server):
    nodes = {"/".join(node["assetKey"]["path"]): node for node in server.ask(NODES)["assetNodes"]}
    assert len(nodes) == 19
    for key, node in nodes.items():
        assert node["groupName"] == key.split("/")[0]
        assert node["description"]
        assert "duckdb" in node["kinds"]
        assert node["owners"]
        schema = [e for e in node["metadataEntries"] if e["label"] == "dagster/column_schema"]
        assert len(schema[0]["schema"]["columns"]) > 3
    guarded = nodes["market/ohlcv_h4"]["assetChecksOrError"]["checks"]
    assert len(guarded) == 8
    assert all(check["blocking"] for check in guarded)


def test_the_whole_graph_is_materialised_and_shows_its_numbers(server, main_run):
    bars = latest(server, "market", "ohlcv_h4")
    sessions = (expected_h4(calendar, *WINDOW).height for calendar in ("24/7", "24/7", "XNYS", "XNYS"))
    assert bars["inserted"] == bars["fetched"] == sum(sessions)
    assert bars["simulated"] is True
    run = latest(server, "backtest", "runs")
    assert run["final_nav"] > 0.0
    assert run["trades"] > 0
    assert run["equity"].startswith("![NAV and drawdown](data:image/png;base64,")
    assert run["report"].endswith("report.html")
    for asset in ("ohlcv_daily", "macro", "truth"):
        assert latest(server, "market", asset)["dagster/row_count"] > 0


def test_what_the_ui_shows_is_what_the_file_holds(server, main_run):
    shown = latest(server, "backtest", "runs")
    ((run_id, nav, digest, simulated),) = file_answers(
        server, "SELECT run_id, final_nav, digest, simulated FROM backtest.runs"
    )
    assert (shown["run_id"], shown["final_nav"], shown["digest"]) == (run_id, nav, digest)
    assert simulated
    curve = file_answers(server, "SELECT count(*), arg_max(nav, ts), any_value(run_id) FROM backtest.equity")
    assert curve == [(int(latest(server, "backtest", "equity")["dagster/row_count"]), nav, run_id)]
    ((bars,),) = file_answers(server, "SELECT count(*) FROM market.ohlcv_h4")
    assert bars == latest(server, "market", "ohlcv_h4")["dagster/row_count"]
    manifests = file_answers(
        server, "SELECT DISTINCT dagster_run_id FROM meta.manifests WHERE dagster_run_id NOT NULL"
    )
    assert manifests == [(main_run,)]


def test_a_tick_of_the_schedule_launches_a_run_that_succeeds(server, main_run):
    schedule = {
        "repositoryLocationName": LOCATION,
        "repositoryName": REPOSITORY,
        "scheduleName": "market_update",
    }
    at = datetime(2020, 5, 1, 0, 5, tzinfo=UTC).timestamp()
    tick = server.ask(DRY_RUN, schedule=schedule, at=at)["scheduleDryRun"]["evaluationResult"]
    assert tick["error"] is None
    (request,) = tick["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert (tags[RANGE_START], tags[RANGE_END]) == ("2020-04", "2020-04")
    before = file_answers(server, "SELECT count(*) FROM market.ohlcv_h4")
    run_id = server.launch("main", {key: tags[key] for key in (RANGE_START, RANGE_END, "cause")})
    assert server.wait_for(run_id, timeout_s=300.0) == "SUCCESS"
    assert file_answers(server, "SELECT count(*) FROM market.ohlcv_h4") == before
    assert latest(server, "market", "ohlcv_h4")["unchanged"] > 0
    digests = file_answers(server, "SELECT count(*), count(DISTINCT digest) FROM backtest.runs")
    assert digests == [(2, 1)]


@pytest.fixture(scope="module")
def page(server, main_run):
    if browser_path() is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@pytest.mark.browser
def test_the_graph_shows_every_asset_with_its_checks(server, page):
    with Image.open(io.BytesIO(asset_graph(page, server))) as image:
        assert image.size == (GRAPH_CLIP["width"], GRAPH_CLIP["height"])
    shown = page.inner_text("body")
    groups = ("market", "chain", "features", "regimes", "backtest", "valuation", "optimization")
    tables = ("ohlcv_h4", "ohlcv_daily", "corporate_actions", "macro", "truth", "h4", "transitions", "runs")
    for word in (*groups, *tables, "blocks", "metrics_daily", "predictions", "board", "experiments"):
        assert word in shown
    assert shown.count("7 / 8 Passed") == 3, "history that ends in 2020 is not fresh, and says so"
    assert shown.count("2 / 3 Passed") == 1, "nor are the fits to it"
    all_passed = {n: shown.count(f"{n} / {n} Passed") for n in (1, 2, 3, 4, 5)}
    assert all_passed == {1: 1, 2: 2, 3: 2, 4: 2, 5: 2}, (
        "truth; runs, transitions; features, predictions; actions, blocks; macro, h4"
    )
    assert shown.count("1 / 2 Passed") == 1, "sixteen months are too few for some models, and it says so"
    assert shown.count("0 / 1 Passed") == 1, "no search has run"
    assert shown.count("0 / 2 Passed") == 1, "no board was made"


@pytest.mark.browser
def test_the_picture_of_a_run_opens_in_the_ui(server, page):
    backtest_run(page, server)
    drawn = page.get_by_alt_text("NAV and drawdown").evaluate("image => [image.naturalWidth, image.complete]")
    assert drawn[0] >= 600
    assert drawn[1]


@pytest.mark.browser
def test_the_page_of_an_asset_says_what_it_is(server, page):
    page.goto(f"{server.url}/assets/market/ohlcv_h4", wait_until="domcontentloaded")
    page.get_by_text("Trading minutes of the cell by the calendar.").wait_for()
    shown = page.inner_text("body")
    for words in ("Closed four-hour bars", "DuckDB", "Owners", "Row count", "warehouse.market.ohlcv_h4"):
        assert words in shown
