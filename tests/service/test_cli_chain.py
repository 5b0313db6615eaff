"""``bells`` over the chain: a file of one's own without a market, a node that is silent, a history's end."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline.chain.heights import estimated_heights
from pipeline.chain.issuance import supplies
from resources.clock import SimulatedClock
from resources.desk import open_desk
from resources.home import ROOT
from service.cli.updating import update_all
from tests.assets.test_chain import Counted
from tests.support.bars_folder import END
from warehouse.tables import METRICS_DAILY, OHLCV_DAILY

DAY = timedelta(days=1)
FIRST = datetime(2013, 1, 1, tzinfo=UTC)
DAYS = 1600
MARKET = ("market.ohlcv_h4", "market.ohlcv_daily", "market.macro", "market.corporate_actions")


def price_at_the_end_of(day: int) -> float:
    """Return a price that grows as a power of the days since genesis, with a wave on it."""
    age = (FIRST - datetime(2009, 1, 3, tzinfo=UTC)).days + day
    return 1e-17 * age**5.8 * (1.3 if day // 200 % 2 else 0.8)


def settings_of_the_home():
    return {name: value for name, value in os.environ.items() if name.startswith("EIGHTBELLS_")}


@pytest.fixture
def downloaded(home, tmp_path, monkeypatch):
    """Point the home to a file as Coin Metrics hands it out: with unused columns, the newest day empty."""
    ages = range(DAYS)
    days = np.datetime64(f"{FIRST:%Y-%m-%d}") + np.arange(-1, DAYS)
    coins = supplies(estimated_heights(days)) / 1e8
    frame = pl.DataFrame(
        {
            "time": [f"{FIRST + DAY * n:%Y-%m-%d}" for n in range(DAYS + 1)],
            "AdrActCnt": [50_000 + n for n in ages] + [None],
            "AssetEODCompletionTime": [1_614_334_886] * DAYS + [None],
            "BlkCnt": [150] * DAYS + [None],
            "CapMVRVCur": [1.6] * DAYS + [None],
            "CapMrktCurUSD": [price_at_the_end_of(n) * coins[n + 1] for n in ages] + [None],
            "FeeTotNtv": [20.5] * DAYS + [None],
            "HashRate": [25.0 * 1.005**n for n in ages] + [None],
            "IssTotNtv": [*np.diff(coins), None],
            "PriceUSD": [price_at_the_end_of(n) for n in ages] + [None],
            "SplyCur": [*coins[1:], None],
            "TxCnt": [60_000] * DAYS + [None],
        }
    )
    frame.write_csv(tmp_path / "btc.csv")
    monkeypatch.setenv("EIGHTBELLS_DATA", str(tmp_path))
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(ROOT / "configs/sources/coinmetrics.yaml"))
    return frame


@pytest.mark.usefixtures("downloaded")
def test_a_file_of_coin_metrics_alone_is_a_chain_without_a_market(bells):
    answer = bells("data", "update", "--json")
    assert (answer.code, answer.json["failures"], answer.json["source"]) == (0, [], "coinmetrics-csv")
    inserted = {table["table"]: table["inserted"] for table in answer.json["tables"]}
    assert inserted == {**dict.fromkeys(MARKET, 0), METRICS_DAILY.full_name: DAYS + 1}
    for table in MARKET:
        assert f"{table}: nothing: the mapping of coinmetrics-csv holds the chain alone" in answer.err
    again = bells("data", "update", "--json").json
    assert [t["inserted"] + t["revised"] for t in again["tables"]] == [0] * 5
    assert bells("data", "validate", "--json").code == 0
    (chain,) = bells("data", "status", "--json").json["chain"]
    assert (chain["feed"], chain["rows"]) == ("coinmetrics-csv", DAYS + 1)


def test_a_row_of_coin_metrics_is_its_utc_day_with_the_price_at_its_end(downloaded):
    desk = open_desk(settings_of_the_home(), clock=SimulatedClock(FIRST + DAY * (DAYS + 3)))
    update_all(desk)
    day = desk.warehouse.as_of(METRICS_DAILY).row(100, named=True)
    assert day["ts"] == FIRST + DAY * 100
    assert day["known_at"] == FIRST + DAY * 101 + timedelta(hours=12)
    assert day["price_usd"] == pytest.approx(price_at_the_end_of(100))
    told = downloaded.row(100, named=True)
    assert day["supply_btc"] == told["SplyCur"]
    assert (day["issuance_btc"], day["fees_btc"]) == (told["IssTotNtv"], 20.5)
    assert (day["block_count"], day["tx_count"], day["active_addresses"]) == (150, 60_000, 50_100)
    assert day["hash_rate_ths"] == pytest.approx(25.0 * 1.005**100)
    assert day["realized_cap_usd"] == pytest.approx(day["market_cap_usd"] / 1.6)
    assert day["vintage"] == "latest_revision"


@pytest.mark.usefixtures("downloaded")
def test_models_rest_on_the_file_of_coin_metrics(bells):
    assert bells("data", "update").code == 0
    answer = bells("models", "predict", "power_law", "--date", "2017-01-01", "--json")
    assert answer.code == 0
    said = answer.json["metadata"]
    assert (said["source"], said["latest_revision"], said["simulated"]) == ("coinmetrics-csv", True, False)


def test_a_mapping_of_nothing_is_still_refused(bells, tmp_path, monkeypatch):
    (tmp_path / "empty.yaml").write_text("chain: {days: null}\n")
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(tmp_path / "empty.yaml"))
    answer = bells("data", "update", "--json")
    assert answer.code == 1
    assert "entries, series, actions or chain" in answer.json["fix"]


def test_a_node_that_does_not_answer_is_said_and_fails_nothing(bells, monkeypatch):
    monkeypatch.setattr("resources.desk.SystemClock", lambda: SimulatedClock(END + DAY))
    monkeypatch.setenv("EIGHTBELLS_CHAIN__SOURCE", "node")
    monkeypatch.setenv("EIGHTBELLS_CHAIN__NODE__URL", "http://127.0.0.1:9")
    answer = bells("data", "update", "--json")
    assert (answer.code, answer.json["ok"]) == (0, True)
    (lost,) = answer.json["not_read"]
    assert lost["table"] == "chain.blocks"
    assert "the node did not deliver" in lost["reason"]
    assert "correct chain.node.url, now http://127.0.0.1:9" in lost["reason"]
    assert f"chain.blocks: NOT READ: {lost['reason']}" in answer.err
    assert "chain.blocks: 0 new" not in answer.err
    assert "--allow-stale" not in answer.err


@pytest.mark.usefixtures("home")
def test_an_update_of_the_chain_ends_with_its_own_history():
    desk = open_desk(settings_of_the_home(), clock=SimulatedClock(END + DAY * 40))
    chain = Counted([1.0] * ((desk.clock.now() - Counted.history.start).days))
    update_all(replace(desk, chain=chain))
    last = {table: desk.warehouse.as_of(table)["ts"].max() for table in (OHLCV_DAILY, METRICS_DAILY)}
    assert last == {OHLCV_DAILY: END - DAY, METRICS_DAILY: END + DAY * 39}
    (narrowed,) = (table for table in update_all(replace(desk, chain=chain), end=END - DAY * 9).tables[-1:])
    assert (narrowed["table"], narrowed["inserted"]) == (METRICS_DAILY.full_name, 0)
