"""Which strategies the main job runs, and when it is a book."""

import pytest

from pipeline.config import load_settings
from pipeline.errors import ConfigError
from resources.home import ROOT

BUDGETS = {
    "strategies.EquityTrend.budget": 0.5,
    "strategies.IndexMeanReversion.budget": 0.0,
    "strategies.CryptoMomentum.budget": 0.2,
}


def settings(**more):
    overrides = BUDGETS | {name.replace("__", "."): value for name, value in more.items()}
    return load_settings(root=ROOT, environ={}, overrides=overrides).settings


def test_the_book_that_ships_gives_60_25_and_15_percent():
    base = load_settings(root=ROOT, environ={}).settings
    assert {name: each.budget for name, each in base.strategies.items()} == {
        "EquityTrend": 0.60,
        "IndexMeanReversion": 0.25,
        "CryptoMomentum": 0.15,
    }


def test_portfolio_is_every_strategy_with_a_budget():
    chosen = settings(backtest__strategy="portfolio")
    assert chosen.runs_book
    assert chosen.strategies_run == ("EquityTrend", "CryptoMomentum")


def test_a_list_is_a_book_of_those_in_its_order_and_a_name_is_that_strategy_alone():
    chosen = settings(backtest__strategy="[CryptoMomentum, EquityTrend]")
    assert chosen.runs_book
    assert chosen.strategies_run == ("CryptoMomentum", "EquityTrend")
    alone = settings(backtest__strategy="IndexMeanReversion")
    assert not alone.runs_book
    assert alone.strategies_run == ("IndexMeanReversion",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"backtest__strategy": "[EquityTrend, Nothing]"}, "no strategy Nothing"),
        ({"backtest__strategy": "[EquityTrend, EquityTrend]"}, "twice"),
        ({"backtest__strategy": "[EquityTrend, IndexMeanReversion]"}, "IndexMeanReversion has no budget"),
        ({"backtest__strategy": "[]"}, "neither a name nor a list"),
        ({"backtest__strategy": "5"}, "neither a name nor a list"),
        ({"strategies__EquityTrend__budget": 0.9}, "sum to 1.1"),
        (
            {
                "backtest__strategy": "portfolio",
                "strategies__EquityTrend__budget": 0.0,
                "strategies__CryptoMomentum__budget": 0.0,
            },
            "no strategy has a budget",
        ),
        ({"backtest__kill_until": "2020-01-01"}, "off before it is on"),
        ({"backtest__kill_from": "2020-01-02", "backtest__kill_until": "2020-01-02"}, "off before it is on"),
    ],
)
def test_a_book_that_cannot_be_run_is_refused_in_a_sentence(changed, said):
    with pytest.raises(ConfigError, match=said):
        settings(**changed)


def test_no_strategy_may_be_called_portfolio():
    named = {
        "strategies.portfolio": {
            "version": "1.0.0",
            "description": "x",
            "status": "research",
            "universe": ["SPY"],
            "parameters": {},
        }
    }
    with pytest.raises(ConfigError, match="called portfolio"):
        load_settings(root=ROOT, environ={}, overrides=named)
