"""Budgets follow the regimes: the vectors of the definitions, and what stays cash."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_settings
from pipeline.errors import ComponentNotFoundError, ConfigError, SchemaError
from pipeline.regimes.budgets import budgets, multiplier_table, require_strategies
from pipeline.regimes.vocabulary import DIMENSIONS

STRATEGIES = ("EquityTrend", "IndexMeanReversion", "CryptoMomentum")
BASE = np.array([0.60, 0.25, 0.15])
MULTIPLIERS = load_settings(root=Path(__file__).parents[2], environ={}).settings.regimes.multipliers


def regimes(*labels: str) -> dict[str, np.ndarray]:
    return {
        dimension: np.array([list(words).index(label)], np.int8)
        for (dimension, words), label in zip(DIMENSIONS.items(), labels, strict=True)
    }


@pytest.mark.parametrize(
    ("labels", "product", "expected"),
    [
        (("bull", "low", "risk_on", "expansion"), (0.792, 0.220, 0.195), (0.656172, 0.182270, 0.161558)),
        (("bear", "high", "risk_off", "contraction"), (0.168, 0.216, 0.0), (0.168, 0.216, 0.0)),
        (("neutral", "normal", "risk_on", "neutral"), (0.6, 0.25, 0.195), (0.574163, 0.239234, 0.186603)),
        (("neutral", "normal", "risk_off", "neutral"), (0.6, 0.25, 0.0), (0.6, 0.25, 0.0)),
    ],
)
def test_multipliers_multiply_and_only_a_sum_above_one_is_scaled(labels, product, expected):
    assert sum(expected) == pytest.approx(min(1.0, sum(product)), abs=2e-6)
    given = budgets(BASE, regimes(*labels), multiplier_table(MULTIPLIERS, STRATEGIES))
    assert given[0] == pytest.approx(expected, abs=5e-7)


def test_idle_budget_stays_cash():
    given = budgets(
        BASE, regimes("bear", "high", "risk_off", "contraction"), multiplier_table(MULTIPLIERS, STRATEGIES)
    )
    assert given.sum() == pytest.approx(0.384)


def test_a_strategy_that_nobody_names_keeps_its_budget_in_every_regime():
    table = multiplier_table(MULTIPLIERS, ["MyOwn"])
    every = [
        np.ravel(codes) for codes in np.meshgrid(*[np.arange(len(words)) for words in DIMENSIONS.values()])
    ]
    codes = {dimension: column.astype(np.int8) for dimension, column in zip(DIMENSIONS, every, strict=True)}
    assert (budgets(np.array([0.3]), codes, table) == 0.3).all()


def test_no_combination_of_regimes_gives_out_more_than_there_is():
    every = [
        np.ravel(codes) for codes in np.meshgrid(*[np.arange(len(words)) for words in DIMENSIONS.values()])
    ]
    codes = {dimension: column.astype(np.int8) for dimension, column in zip(DIMENSIONS, every, strict=True)}
    given = budgets(BASE, codes, multiplier_table(MULTIPLIERS, STRATEGIES))
    assert given.shape == (54, 3)
    assert given.min() >= 0.0
    assert given.sum(axis=1).max() <= 1.0 + 1e-12
    assert len({tuple(row) for row in given.round(12).tolist()}) > 20


def test_the_multipliers_are_those_of_the_contract():
    table = multiplier_table(MULTIPLIERS, STRATEGIES)
    contract = {
        "equity": [[0.5, 1.2, 1.0], [1.0, 1.0, 1.0], [1.2, 0.8, 1.0]],
        "vol": [[1.1, 1.1, 1.0], [1.0, 1.0, 1.0], [0.8, 0.8, 0.7]],
        "crypto": [[1.0, 1.0, 0.0], [1.0, 1.0, 1.3]],
        "macro": [[0.7, 0.9, 0.5], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
    }
    assert {dimension: factors.tolist() for dimension, factors in table.items()} == contract


def test_what_does_not_fit_is_refused_by_name():
    table = multiplier_table(MULTIPLIERS, STRATEGIES)
    codes = regimes("bull", "low", "risk_on", "expansion")
    with pytest.raises(ComponentNotFoundError, match="crypto"):
        budgets(BASE, {name: codes[name] for name in codes if name != "crypto"}, table)
    with pytest.raises(SchemaError, match="one multiplier per strategy"):
        budgets(BASE[:2], codes, table)
    with pytest.raises(ConfigError, match=r"multipliers.equity_bull.EquityTrent"):
        require_strategies({"equity_bull": {"EquityTrent": 1.2}}, STRATEGIES)
