"""The bench of latent agreement in small: strong regimes are found, and a classifier of nothing is not."""

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.regime_agreement import agreement
from benchmarks.strong_world import world_of

pytestmark = pytest.mark.slow
END = datetime(2030, 1, 1, tzinfo=UTC)


def mean(kind: str, dimension: str, figure: str = "told") -> float:
    found = [agreement(world_of(kind, seed), (dimension,), END)[dimension][figure] for seed in range(4)]
    return float(np.nanmean(found))


def test_strong_trends_and_strong_volatility_are_told_from_each_other():
    assert mean("trend", "equity") > 0.85
    assert mean("volatility", "vol") > 0.90
    assert mean("trend", "crypto") > 0.75, "four worlds; the bench bounds a hundred"


def test_a_planted_change_leaves_out_the_sessions_that_no_rule_could_know():
    whole = agreement(world_of("trend", 3), ("equity",), END)["equity"]
    assert 0.5 < whole["share_told"] < 1.0
    assert whole["all"] < whole["told"]


def test_a_strong_world_has_the_declared_drift_and_volatility():
    world = world_of("trend", 1)
    history = world.history(END)
    rising = np.repeat(history.regimes["equity"] == 0, 48)[: history.paths["SPY"].level.size]
    assert set(np.unique(history.paths["SPY"].level[rising])) == {0.12}
    assert set(np.unique(history.paths["SPY"].level[~rising])) == {0.20}
    assert not history.paths["SPY"].jump.any()
