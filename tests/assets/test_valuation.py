"""Rows of valuation models: complete, known in time, unmoved by what comes later."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.valuation.inputs import ValuationInputs
from assets.valuation.rows import backtest_rows, board_rows, config_of, fit_rows, prediction_rows
from pipeline.config.load import load_settings
from pipeline.valuation.configured import configured_models
from pipeline.valuation.falsification.board import falsify
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.record import recent_record, record_of, records_of, scores_of
from resources.home import ROOT
from warehouse.frames import conform
from warehouse.tables import BACKTESTS, BOARD, MODELS, PREDICTIONS

DAYS = 1_000
HORIZONS = (1, 30)


@pytest.fixture(scope="module")
def settings():
    return load_settings(root=ROOT, environ={}).settings.valuation


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(3)
    date = np.datetime64("2015-01-01") + np.arange(DAYS) * DAY
    age = (date - np.datetime64("2009-01-03")).astype(float)
    price = 10.0 ** (-17.0 + 5.8 * np.log10(age)) * np.exp(np.cumsum(rng.normal(0.0, 0.02, DAYS)))
    issued = np.full(DAYS, 3600.0)
    supply = 13.0e6 + np.cumsum(issued)
    columns = {
        "price_usd": price,
        "height": 335_000.0 + 144.0 * np.arange(DAYS),
        "supply_btc": supply,
        "issuance_btc": issued,
        "flow_365_btc": np.where(np.arange(DAYS) < 365, np.nan, 365.0 * issued),
        "s2f": np.where(np.arange(DAYS) < 365, np.nan, supply / (365.0 * issued)),
        "thermocap_usd": 1.0e9 + np.cumsum(issued * price),
        "market_cap_usd": supply * price,
        "realized_cap_usd": 0.6 * supply * price,
        "mvrv": np.full(DAYS, 1.0 / 0.6) * np.exp(rng.normal(0.0, 0.05, DAYS)),
    }
    return ChainHistory(date, (date + DAY).astype("datetime64[us]"), columns)


def read_of(history):
    return ValuationInputs(history, "made", simulated=True, latest_revision=False, inputs=())


def part(history, rows):
    return ChainHistory(
        history.date[:rows], history.known_at[:rows], {k: v[:rows] for k, v in history.columns.items()}
    )


@pytest.fixture(scope="module")
def records(settings, history):
    return records_of(configured_models(settings), history, horizons=HORIZONS)


def test_models_without_data_are_named_with_the_reason(records):
    done, absent = records
    assert {each.model.name for each in done} >= {"power_law", "thermocap"}
    assert "oracle" in absent["onchain_price"]


def test_every_frame_is_what_its_table_declares(records, settings, history):
    done, _ = records
    read, config = read_of(history), config_of(settings)
    scored = [(each, h, scores_of(each, h, seed=1)) for each in done for h in HORIZONS]
    for table, frame in (
        (MODELS, fit_rows(done, read, config)),
        (PREDICTIONS, prediction_rows(done, read, config)),
        (BACKTESTS, backtest_rows(scored, read, config)),
    ):
        rows = conform(table, frame)
        assert rows.height
        assert rows.select(table.key).is_duplicated().sum() == 0
        assert (rows["known_at"] >= rows["ts"]).all()


def test_a_forecast_is_known_with_the_day_before_it(records, settings, history):
    rows = prediction_rows(records[0], read_of(history), config_of(settings))
    assert (rows["known_at"] == rows["ts"]).all()


def test_a_row_that_came_late_holds_up_no_other(settings, history):
    """What is stored names the rows that a fit had, and when it could be known."""
    late_at = history.known_at.copy()
    late_at[500] += np.timedelta64(300, "D")
    late_at[640] += np.timedelta64(36, "h")
    late = ChainHistory(history.date, late_at, history.columns)
    chosen = [each for each in configured_models(settings) if each.name in {"power_law", "thermocap"}]
    done, _ = records_of(chosen, late, horizons=HORIZONS)
    fits = fit_rows(done, read_of(late), "c")
    first, arrived = (datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in (500, 801))
    for row in fits.to_dicts():
        rows_before = (row["ts"] - datetime(2015, 1, 1, tzinfo=UTC)).days
        assert row["n"] == rows_before - (first < row["ts"] < arrived)
        assert row["n"] == json.loads(row["parameters_json"])["n"]
        assert row["known_at"] == row["ts"]
    said = prediction_rows(done, read_of(late), "c")
    waited = pl.col("ts") == first + timedelta(days=141)
    assert said.filter((pl.col("known_at") != pl.col("ts")) != waited).is_empty()
    assert (said.filter(waited)["known_at"] - said.filter(waited)["ts"] == timedelta(hours=36)).all()
    assert said.filter(pl.col("ts") == first + timedelta(days=1)).is_empty()


def test_later_days_change_no_fit_and_no_forecast(records, settings, history):
    config, until = "c", 800
    shorter, _ = records_of(configured_models(settings), part(history, until), horizons=HORIZONS)
    end = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=until)
    for rows_of in (fit_rows, prediction_rows):
        before = rows_of(shorter, read_of(part(history, until)), config)
        after = rows_of(records[0], read_of(history), config).filter(pl.col("ts") <= end)
        key = [name for name in ("model", "horizon_days", "ts") if name in before.columns]
        names = set(before["model"])
        after = after.filter(pl.col("model").is_in(names))
        assert before.sort(key).equals(after.sort(key))
        assert before.height > 10


def test_a_part_of_a_record_is_the_same_part_of_the_whole(settings, history):
    model = next(each for each in configured_models(settings) if each.name == "power_law")
    whole = record_of(model, history, horizons=HORIZONS)
    start, end = history.date[700].item(), history.date[760].item()
    recent = recent_record(model, history, start=start, end=end, horizons=HORIZONS)
    rows = (whole.walk.origins >= recent.walk.origins[0]) & (whole.walk.origins <= recent.walk.origins[-1])
    np.testing.assert_array_equal(whole.walk.forecast[rows], recent.walk.forecast)


def test_a_board_is_stored_with_its_reasons(settings, history):
    rules = BoardRules(simulations=100, horizons=(30,), verdict_horizon=30, planted=100, planted_walks=100)
    models = [each for each in configured_models(settings) if each.name in {"power_law", "onchain_price"}]
    board = falsify(history, models, rules=rules)
    rows = conform(BOARD, board_rows(board, read_of(history), "c"))
    by_model = {row["model"]: row for row in rows.to_dicts()}
    assert by_model["power_law"]["verdict"] in {"skill", "structure", "undecided", "no skill"}
    assert by_model["onchain_price"]["verdict"] is None
    assert by_model["onchain_price"]["reason"]
    assert (rows["known_at"] >= rows["ts"]).all()
