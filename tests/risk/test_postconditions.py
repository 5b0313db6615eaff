"""What the risk rules left is judged by itself, not by how they came to it."""

import math

import numpy as np
import pytest

from pipeline.backtest.rules import Rules, Tradable, kernel_rules
from pipeline.risk.postconditions import most_above_a_cap

ASSETS = (Tradable("A", "crypto"), Tradable("B", "equity"), Tradable("C", "crypto"))
RULES = Rules(per_asset_cap=0.4, class_caps={"crypto": 0.2}, max_leverage=0.7)


def above(*rows, rules=RULES):
    return most_above_a_cap(np.array(rows), *kernel_rules(rules, ASSETS))


def test_targets_at_every_cap_exceed_none():
    assert above([0.1, 0.4, 0.1]) == pytest.approx(0.0, abs=1e-15)
    assert above([0.05, 0.1, 0.05]) < 0.0


def test_one_asset_above_its_cap_is_told_by_how_much():
    assert above([0.0, 0.3, 0.0], [0.0, 0.45, 0.0]) == pytest.approx(0.05)


def test_a_class_is_judged_by_the_table_of_instruments_and_shorts_count_like_longs():
    assert above([0.15, 0.0, 0.1]) == pytest.approx(0.05)
    assert above([0.15, 0.0, -0.1]) == pytest.approx(0.05)


def test_the_gross_sum_is_judged_over_all_classes():
    rules = Rules(per_asset_cap=math.inf, class_caps={}, max_leverage=0.7)
    assert above([0.3, 0.4, 0.2], rules=rules) == pytest.approx(0.2)
