"""What Dagster shows of valuation: models beside the last price and buy-and-hold, in numbers one can read."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from assets.valuation.beside import beside
from assets.valuation.board import board_result
from assets.valuation.inputs import ValuationInputs
from assets.valuation.judge import Judged
from assets.valuation.rows import config_of, prediction_rows
from assets.valuation.shown import parameters, table
from pipeline.config.load import load_settings
from pipeline.errors import InsufficientDataError
from pipeline.pictures import undrawn
from pipeline.valuation.backtest import backtest
from pipeline.valuation.falsification.board import Board
from pipeline.valuation.falsification.row import BoardRow
from pipeline.valuation.falsification.verdict import Verdict
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.onchain_price import OnChainPrice
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.record import record_of
from pipeline.valuation.signal import buy_and_hold
from resources.home import ROOT
from tests.assets.test_valuation_kept import run
from tests.support.chain_histories import simulated_history

__all__ = ["run"]


@pytest.fixture(scope="module")
def history():
    return simulated_history(1200)


def read_of(history):
    return ValuationInputs(history, "made", simulated=True, latest_revision=False, inputs=())


def test_skill_and_buy_and_hold_follow_from_stored_forecasts(history):
    settings = load_settings(root=ROOT, environ={}).settings.valuation
    record = record_of(PowerLaw(), history, horizons=(1, 90))
    told = beside(prediction_rows([record], read_of(history), config_of(settings)), history)
    walk = record.walk
    error, base = walk.error[:, 1], np.log(walk.actual[:, 1]) - np.log(record.last_price)
    good = np.isfinite(error)
    wanted = 1.0 - np.sum(error[good] ** 2) / np.sum(base[good] ** 2)
    assert told.skill["power_law", 90] == pytest.approx(wanted)
    assert told.skill["power_law", 90] > 0.0 > told.skill["power_law", 1]
    assert told.better == (("power_law", 90),)
    assert told.words.startswith("better than the last price: power_law at 90 days")
    assert told.buy_and_hold["power_law", 1] == buy_and_hold(walk.actual[:, 0])
    assert set(told.buy_and_hold) == {("power_law", 1)}


def test_none_beats_the_last_price_is_said_in_words(history):
    record = record_of(PowerLaw(), history, horizons=(1,))
    rows = prediction_rows([record], read_of(history), "c")
    assert beside(rows, history).words == "none of the models beats the last price at 1 day"
    assert beside(rows.clear(), history).words == "no forecast can be judged yet"
    assert backtest(PowerLaw(), history).skill < 0.0


def test_tables_have_four_digits_days_and_no_json():
    shown = table(
        [
            {
                "a": 189_042.4301,
                "b": 0.00012345678,
                "c": datetime(2023, 1, 2, tzinfo=UTC),
                "d": 12_345,
                "e": None,
            }
        ]
    ).value
    assert shown.splitlines()[-1] == "| 189,000 | 0.0001235 | 2023-01-02 | 12345 | - |"
    assert parameters('{"alpha": -16.919, "n": 4, "left_out": {}, "members": [{"beta": 5.81751}, null]}') == (
        "alpha -16.92, members (beta 5.818) -"
    )


def test_a_run_shows_the_last_price_windows_and_few_numbers_that_plot(run):
    told, _ = run()
    assert run.steps == {"valuation_walk"}
    errors = told["valuation/backtests"]
    head = errors["errors"].splitlines()[0]
    for name in ("skill_last_price", "buy_and_hold_sharpe", "first origin", "last origin"):
        assert name in head
    assert "the last price" in errors["beside the last price"]
    models = {line.split(" | ")[0] for line in errors["errors"].splitlines()[2:]}
    plotted = [name for name in errors if re.search(r"\d+d$", name)]
    assert 0 < len(plotted) <= 2 * len(models)
    assert "fitted on" in told["valuation/models"]["newest"]
    assert "fitted" in told["valuation/predictions"]["newest"]
    for shown in told.values():
        for cell in (shown.get("newest") or shown["errors"]).split("|"):
            assert "{" not in cell
            assert not re.search(r"\d\.\d{6}", cell)
    again, walked = run()
    assert not walked
    assert again["valuation/backtests"]["errors"] == errors["errors"]


def test_a_model_with_data_and_no_forecast_fails_a_check_and_one_without_a_source_does_not(run, monkeypatch):
    run()
    told = run.checks["all_forecast"].description
    assert told == "no forecast although there is data: stock_to_flow"
    monkeypatch.setattr(MvrvBands, "estimate", refused)
    run(zones__overvalued_above=0.9)
    assert not run.checks["all_forecast"].passed
    assert run.checks["all_forecast"].description == f"{told}, mvrv_bands"


def refused(*_):
    raise InsufficientDataError("nothing can be estimated")


@pytest.mark.parametrize("sourceless", [("onchain_price",), ()])
def test_the_board_fails_only_for_a_model_that_has_data(history, sourceless):
    """A fresh installation has no oracle: that is told, and no check fails for it."""
    rows = (
        BoardRow("power_law", 90, n=10, mape=0.1, skill=-0.2, p=0.1, verdict=Verdict.UNDECIDED, reason="why"),
        BoardRow("onchain_price", 90, reason="the oracle has no confirmed price"),
    )
    board = Board(rows, 90, (90,), {}, {})
    settings = SimpleNamespace(falsification=SimpleNamespace(simulations=100))
    with undrawn():
        made = board_result(Judged(board, read_of(history), None, sourceless), settings, 0)
    verdict = next(each for each in made.check_results if each.check_name == "all_judged")
    assert verdict.passed is bool(sourceless)
    assert "onchain_price" in verdict.description
    assert made.metadata["beside the last price"] == "none of the models beats the last price at 90 days"
    assert Judged(board, read_of(history), None, ()).beside_last_price.startswith("none")


def test_a_model_has_data_where_one_day_has_all_that_it_requires(history):
    assert PowerLaw().has_data(history)
    assert not OnChainPrice().has_data(history)
    without = {name: values for name, values in history.columns.items() if name != "realized_cap_usd"}
    assert not MvrvBands().has_data(ChainHistory(history.date, history.known_at, without))
    unknown = {**without, "realized_cap_usd": np.full(history.n, np.nan)}
    assert not MvrvBands().has_data(ChainHistory(history.date, history.known_at, unknown))
