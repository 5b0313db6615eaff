"""A stored run counts for what is configured now, and for nothing else."""

import pytest

from pipeline.config import load_settings
from pipeline.lifecycle.sameness import differences
from tests.conftest import ROOT


def values(**overrides):
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return load_settings(root=ROOT, environ={}, overrides=dotted).as_dict()


@pytest.mark.parametrize(
    "free",
    [
        {"backtest__start": "2021-01-01"},
        {"backtest__initial_nav": 5_000.0},
        {"backtest__strategy": "CryptoMomentum"},
        {"strategies__EquityTrend__budget": 0.1},
        {"strategies__EquityTrend__status": "candidate"},
        {"strategies__CryptoMomentum__parameters__momentum_short_days": 20},
        {"logging__level": "debug"},
    ],
)
def test_window_money_words_and_other_strategies_may_differ(free):
    assert differences(values(**free), values(), "EquityTrend") == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"strategies__EquityTrend__parameters__sma_days": 150}, "sma_days: 150, now 200"),
        ({"strategies__EquityTrend__universe": ["SPY"]}, "strategies.EquityTrend.universe"),
        ({"risk__per_asset_cap": 1.0}, "per_asset_cap: 1.0, now 0.4"),
        ({"costs__equity__fee_bps": 0.0}, "costs.equity.fee_bps"),
        ({"backtest__carry_unfilled": True}, "carry_unfilled"),
    ],
)
def test_anything_else_that_can_change_a_result_is_named(changed, named):
    (found,) = differences(values(**changed), values(), "EquityTrend")
    assert named in found
