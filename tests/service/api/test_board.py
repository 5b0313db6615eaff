"""The board over HTTP: the stored one, in order of rank, found without a restart."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from assets.valuation.board_read import stored
from assets.valuation.rows import config_of
from service.api.refresh import WarehouseSource
from tests.service.api.conftest import NOW, SETTINGS
from warehouse.frames import schema
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables import BOARD

PATH = "/api/v1/models/board"
CONFIG = config_of(SETTINGS.valuation)
DAY = datetime(2014, 8, 25, tzinfo=UTC)


def row(model, horizon, *, verdict=None, p=0.4, day=DAY, config=CONFIG, **more):
    known = dict.fromkeys(BOARD.names)
    return known | {
        "feed": "sample", "model": model, "config": config, "horizon_days": horizon, "ts": day, "n": 1200,
        "p": p, "power": 0.3, "mape": 0.5, "rmse_log": 0.6, "skill": -1.0, "skill_drift": -0.8,
        "verdict": verdict, "reason": "because", "simulated": True, "known_at": day,
        **more,
    }  # fmt: skip


def frame(*rows):
    return pl.DataFrame(rows, schema=schema(BOARD, [*BOARD.names, "known_at"]), orient="row")


@pytest.fixture
def board():
    return frame(
        row("onchain_price", 90, n=0, p=None, power=None, mape=None, rmse_log=None, skill=None),
        row("power_law", 30, p=0.001),
        row("power_law", 90, p=0.9, verdict="no skill"),
        row("thermocap", 30, p=0.5),
        row("thermocap", 90, p=0.3, verdict="undecided"),
        row("mvrv_bands", 90, p=0.2, verdict="undecided"),
    )


def test_the_board_is_told_in_order_of_its_verdicts(keeper, source, client_of, board):
    source.judged = stored(board)
    keeper.look()
    told = client_of(keeper).get(PATH).json()
    assert told["models"] == ["mvrv_bands", "thermocap", "power_law", "onchain_price"]
    assert (told["data_through"], told["verdict_horizon"]) == ("2014-08-25", 90)
    assert (told["source"], told["simulated"]) == ("sample", True)
    assert [(each["model"], each["horizon"]) for each in told["rows"]][1:3] == [
        ("thermocap", 30), ("thermocap", 90),
    ]  # fmt: skip
    last = told["rows"][-1]
    assert (last["verdict"], last["p"], last["reason"]) == (None, None, "because")


def test_a_board_that_is_made_later_is_found_and_keeps_what_was_worked_out(keeper, source, client_of, board):
    keeper.look()
    client, before = client_of(keeper), keeper.state.copy
    missing = client.get(PATH)
    assert missing.status_code == 503
    assert "bells models board" in missing.json()["detail"]
    assert client.get("/health").json()["board_through"] is None
    source.judged, source.number = stored(board), 1
    keeper.look()
    assert client.get(PATH).status_code == 200
    assert client.get("/health").json()["board_through"] == "2014-08-25"
    assert keeper.state.copy.kept is before.kept
    assert keeper.state.copy.models is before.models


def test_a_board_stays_while_models_and_days_change(keeper, source, client_of, board, chain):
    source.judged = stored(board)
    keeper.look()
    client = client_of(keeper)
    client.post("/api/v1/models/power-law/recalibrate")
    assert client.get(PATH).status_code == 200
    shorter = {name: each[:-1] for name, each in chain.columns.items()}
    source.number, source.history = 1, type(chain)(chain.date[:-1], chain.known_at[:-1], shorter)
    keeper.look()
    assert client.get("/health").json()["data_through"] == "2014-08-24"
    assert client.get(PATH).status_code == 200


def test_the_answer_is_made_once_for_each_board(keeper, source, client_of, board, monkeypatch):
    from service.api import board as module

    made, tell = [], module._told
    monkeypatch.setattr(module, "_told", lambda *asked: made.append(1) or tell(*asked))
    source.judged = stored(board)
    keeper.look()
    client = client_of(keeper)
    assert client.get(PATH).text == client.get(PATH).text
    assert len(made) == 1
    source.judged, source.number = stored(board.filter(pl.col("model") != "thermocap")), 1
    keeper.look()
    assert "thermocap" not in client.get(PATH).json()["models"]
    assert len(made) == 2


def test_the_newest_board_of_the_source_and_the_settings_is_read(tmp_path, board):
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", now=lambda: NOW)
    warehouse.migrate()
    source = WarehouseSource(warehouse, "sample", CONFIG)
    older = frame(row("power_law", 90, day=datetime(2014, 7, 1, tzinfo=UTC), verdict="skill"))
    foreign = frame(row("power_law", 90, config="other", day=datetime(2014, 8, 27, tzinfo=UTC)))
    marks = [source.mark()]
    for each in (older, board, foreign):
        warehouse.append(BOARD, each, manifest=Manifest("valuation/board"))
        marks.append(source.mark())
    assert len(set(marks)) == len(marks), "each board is looked at"
    assert source.board("sample", NOW).data_through == date(2014, 8, 25)
    before = source.board("sample", datetime(2014, 8, 1, tzinfo=UTC))
    assert before.data_through == date(2014, 7, 1)
    assert len(before.rows) == 1
    assert source.board("files", NOW) is None
