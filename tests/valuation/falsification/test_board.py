"""The board finds planted structure, does not find random walks, and says why it decided."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks import board_acceptance as acceptance
from pipeline.config.valuation import FalsificationSettings
from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.falsification import pictures
from pipeline.valuation.falsification.board import falsify
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.falsification.verdict import Verdict, decide
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.onchain_price import OnChainPrice
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from tests.support.chain_histories import real_history, simulated_history

SMALL = BoardRules(
    simulations=199, horizons=(30, 90), planted=100, planted_walks=100, half_lives=(20.0, 90.0), seed=3
)
SINGLE = (PowerLaw(), StockToFlow(), Thermocap())
MODELS = (*SINGLE, OnChainPrice(), Ensemble(members=SINGLE, weights=(0.4, 0.3, 0.3)))


@pytest.fixture(scope="module")
def history():
    return simulated_history(1500, sd=0.05, half_life=15.0)


@pytest.fixture(scope="module")
def board(history):
    return falsify(history, MODELS, rules=SMALL)


@pytest.mark.parametrize(
    ("p", "skill", "power", "verdict"),
    [
        (0.001, (0.2, 0.1), 0.1, Verdict.SKILL),
        (0.025, (0.2, 0.1), None, Verdict.SKILL),
        (0.001, (0.2, -0.1), 1.0, Verdict.STRUCTURE),
        (0.001, (0.0, 0.1), 1.0, Verdict.STRUCTURE),
        (0.026, (0.2, 0.1), 0.79, Verdict.UNDECIDED),
        (0.026, (0.2, 0.1), None, Verdict.UNDECIDED),
        (0.026, (0.2, 0.1), 0.80, Verdict.NO_SKILL),
        (0.9, (-3.0, -2.0), 0.1, Verdict.UNDECIDED),
    ],
)
def test_the_verdict_follows_the_definition(p, skill, power, verdict):
    found, reason = decide(p, skill, power, level=0.025)
    assert found is verdict
    assert f"p {p:.3f}" in reason


def test_a_planted_power_law_is_found(board):
    row = next(each for each in board.ranking if each.model == "power_law")
    assert row.verdict in {Verdict.SKILL, Verdict.STRUCTURE}
    assert row.p == max(row.p_by_drift.values()) <= 0.025
    assert row.skill >= row.needed_skill
    assert row.power > 0.8


def test_every_model_stands_on_the_board_and_one_without_data_says_why(board):
    assert {row.model for row in board.ranking} == {each.name for each in MODELS}
    last = board.ranking[-1]
    assert (last.model, last.verdict, last.p) == ("onchain_price", None, None)
    assert "oracle" in last.reason
    assert all(row.reason for row in board.rows)


def test_rows_are_ranked_by_verdict_then_by_p(board):
    judged = [row for row in board.ranking if row.verdict is not None]
    order = [(list(Verdict).index(row.verdict), row.p, row.rmse_log) for row in judged]
    assert order == sorted(order)


def test_the_verdict_stands_at_its_horizon_only(board):
    assert {row.horizon for row in board.rows} == {30, 90}
    assert all(row.verdict is None for row in board.rows if row.horizon == 30)


def test_all_models_are_scored_on_the_same_days(board):
    assert len({row.n for row in board.ranking if row.verdict is not None}) == 1


def test_records_are_json_without_nan_and_have_what_the_command_promises(board):
    records = [row.to_dict() for row in board.rows]
    text = json.dumps(records, allow_nan=False)
    assert "power_law" in text
    promised = "model n horizon mape rmse_log skill p power coverage_68 coverage_95 verdict"
    assert all(set(promised.split()) <= set(each) for each in records)
    assert records[0]["bases"] == ["last_price", "last_price_drift"]


def test_the_board_does_not_depend_on_threads(history, board):
    again = falsify(history, MODELS, rules=SMALL, threads=2)
    assert [row.to_dict() for row in again.rows] == [row.to_dict() for row in board.rows]


def test_the_null_and_the_curves_are_kept_for_the_pictures(board):
    assert board.null["power_law"].shape == (3, 199, 2)
    assert set(board.curves["power_law"]) == {20.0, 90.0}
    assert "onchain_price" not in board.null


@pytest.mark.parametrize("drawn", [pictures.skill_picture, pictures.coverage_picture, pictures.power_picture])
def test_pictures_are_small_pngs(board, drawn):
    shown = drawn(board, simulated=True)
    assert shown.startswith(b"\x89PNG")
    assert len(shown) < 100_000


def test_few_random_walks_and_nearly_all_planted_power_laws_are_accepted():
    walks = acceptance.counts([acceptance.judged(k, "walk", 199) for k in range(12)])
    laws = acceptance.counts([acceptance.judged(k, "law", 199) for k in range(6)])
    assert walks["skill"] + walks["structure"] <= 1
    assert laws["skill"] + laws["structure"] >= 5
    assert laws["skill"] >= 4


def test_a_history_without_a_target_is_refused():
    with pytest.raises(InsufficientDataError, match="too short to score"):
        falsify(simulated_history(410), (PowerLaw(),), rules=SMALL)


def test_a_horizon_without_a_target_has_no_numbers_and_says_so():
    rules = BoardRules(
        simulations=100, horizons=(30, 90, 365), planted=100, planted_walks=100, half_lives=(), seed=3
    )
    board = falsify(simulated_history(640), (PowerLaw(),), rules=rules)
    assert pictures.coverage_picture(board, simulated=True).startswith(b"\x89PNG")
    last = board.rows[-1]
    assert (last.horizon, last.n, last.p, last.verdict) == (365, 0, None, None)
    assert "no target" in last.reason
    assert board.ranking[0].verdict is not None
    json.dumps([row.to_dict() for row in board.rows], allow_nan=False)


def test_the_rules_are_those_of_the_configuration():
    path = Path(__file__).parents[3] / "configs" / "base" / "valuation.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["falsification"]
    assert BoardRules(**FalsificationSettings.model_validate(written).model_dump()) == BoardRules()


def test_too_few_worlds_and_a_verdict_at_no_horizon_are_refused():
    with pytest.raises(ConfigError, match="too few worlds"):
        BoardRules(simulations=99)
    with pytest.raises(ConfigError, match="not judged"):
        BoardRules(horizons=(30,))


def test_later_rows_change_no_forecast_that_was_scored(history):
    from pipeline.valuation.falsification.history_run import run_history
    from pipeline.valuation.falsification.setting import compile_models

    early = history.before(history.date[1200])
    whole, part = (run_history(compile_models(SINGLE, each, (30, 90))) for each in (history, early))
    for q in range(len(SINGLE)):
        n = part.forecasts[q].shape[1]
        np.testing.assert_array_equal(whole.forecasts[q][:, :n], part.forecasts[q])


@pytest.mark.realdata
@pytest.mark.slow
def test_bitcoin_is_undecided_by_the_power_law_and_its_residual_by_simulated_walks(real_data):
    history = real_history(real_data)
    prices = ChainHistory(history.date, history.known_at, {"price_usd": history.column("price_usd")})
    row = falsify(prices, (PowerLaw(),), rules=BoardRules(half_lives=()), threads=2).ranking[0]
    assert row.verdict is Verdict.UNDECIDED
    assert row.unit_root == pytest.approx(-2.19, abs=0.01)
    assert row.unit_root_critical == pytest.approx(-3.6, abs=0.15)
    assert row.engle_granger is None
