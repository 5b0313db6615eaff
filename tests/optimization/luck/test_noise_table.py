"""The noise table in small, and the same bits with one thread and with two."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import noise_table
from pipeline.optimization.luck.deflated import deflated_among
from pipeline.optimization.luck.verdict import POWER

ROOT = Path(__file__).parents[3]
BITS = """
import hashlib, numpy as np
from pipeline.optimization.luck import bootstrap, deflated, effective, overfitting, reality_check, ties
x = 0.01 * np.random.default_rng(1).standard_normal((150, 504))
found = (
    deflated.deflated_among(x, 0, 300, 2.0),
    reality_check.reality_check(x, seed=8, draws=300),
    overfitting.pbo(x).pbo, overfitting.pbo(x).degradation, effective.effective_trials(x),
    bootstrap.intervals(x[0], 2.0, seed=8), dict(ties.differences(x[0], x[1], 2.0, seed=8)),
    ties.standing(x, 2.0).error.tobytes(),
)
print(hashlib.sha256(repr(found).encode()).hexdigest())
"""


@pytest.mark.parametrize(
    ("world", "most"), [("independent", 1), ("correlated_06", 4), ("correlated_09", 5), ("long_only", 1)]
)
def test_the_best_of_two_hundred_noise_strategies_is_seldom_accepted(world, most):
    found = noise_table.noise(world, 30, 100)
    assert found.seeds == 30
    assert found.deflated <= most
    assert found.spa_5 <= 5  # 99.9 % of Binomial(30, 0.05) is 6
    if world in {"independent", "long_only"}:
        assert found.psr == 30
        assert found.deflated_too_few >= 3


def test_a_rising_market_looks_like_skill_without_a_benchmark():
    def sure(returns):
        best = int(np.argmax(noise_table.sharpes(returns)))
        return deflated_among(returns, best, len(returns), 10.0).value

    worlds = [noise_table.long_only(np.random.default_rng(seed), 200, 2520) for seed in range(20)]
    raw, excess = ([sure(world[side]) for world in worlds] for side in (0, 1))
    assert np.mean(raw) > np.mean(excess) + 0.2


def test_overfitting_of_noise_is_a_half():
    mean, sd = noise_table.overfitting(12)
    assert mean == pytest.approx(0.5, abs=0.17)
    assert sd < 0.25


def test_the_minimum_detectable_effect_keeps_its_promise():
    promised = noise_table.power(1.0, 2, 2, 100)["min_detectable"]
    assert noise_table.power(promised, 2, 60, 100)["deflated"] == pytest.approx(POWER, abs=0.16)


def test_five_years_show_what_two_do_not():
    two, five = (noise_table.power(3.0, years, 20, 100) for years in (2, 5))
    assert five["deflated"] > two["deflated"]
    assert five["spa"] >= two["spa"]


@pytest.mark.slow
def test_the_same_bits_come_out_with_one_thread_and_with_two():
    answers = set()
    for threads in ("1", "2"):
        count = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", BITS],
            cwd=ROOT,
            env={**os.environ, **count},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.add(done.stdout)
    assert len(answers) == 1
