"""What the statistics of luck say of strategies that have no skill, and how often they find those that have.

The best of N trials is judged, seed after seed: in worlds of independent and of related noise, in one of
long-only strategies on a rising market, and with one skilled trial among the noise.  The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from pipeline import seeds
from pipeline.optimization.luck.deflated import (
    Shape,
    deflated_among,
    expected_best,
    in_excess,
    probabilistic_sharpe,
    sharpe_beyond,
)
from pipeline.optimization.luck.effective import effective_trials
from pipeline.optimization.luck.overfitting import pbo
from pipeline.optimization.luck.reality_check import reality_check
from pipeline.optimization.luck.verdict import LEVEL, POWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.arrays import Float1D, Float2D

SEED = 8
DAYS_A_YEAR = 252
TRIALS = 200
DAILY_SD = 0.01
MARKET_SHARPE = 0.8
HOLDING_DAYS = 20
DECLARED_TOO_FEW = 5
COUNTS = (
    "psr",
    "deflated",
    "deflated_too_few",
    "white_5",
    "white_10",
    "spa_5",
    "spa_10",
    "fixed_5",
    "fixed_10",
)
QUOTED = {
    (20, 2): 2.51,
    (20, 5): 1.59,
    (200, 2): 3.12,
    (200, 5): 1.97,
    (1000, 2): 3.47,
    (1000, 5): 2.19,
}
"""Annual Sharpe ratio that the best of N must show over so many years."""


@dataclass
class Tally:
    """Seeds in which a world's best trial was accepted, by each statistic."""

    seeds: int = 0
    psr: int = 0
    deflated: int = 0
    deflated_too_few: int = 0
    white_5: int = 0
    white_10: int = 0
    spa_5: int = 0
    spa_10: int = 0
    fixed_5: int = 0
    fixed_10: int = 0
    raw_deflated: int | None = None
    effective: float = 0.0


def sharpes(returns: Float2D) -> Float1D:
    """Annual Sharpe ratio of each trial."""
    return returns.mean(axis=1) / returns.std(axis=1, ddof=1) * np.sqrt(DAYS_A_YEAR)


def related(rng: np.random.Generator, trials: int, days: int, correlation: float) -> Float2D:
    """Noise with one common factor, shape ``(trials, days)``."""
    common = rng.standard_normal(days)
    own = rng.standard_normal((trials, days))
    return DAILY_SD * (np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own)


def long_only(rng: np.random.Generator, trials: int, days: int) -> tuple[Float2D, Float2D]:
    """Returns of random long or flat strategies on a rising market, raw and in excess of holding it."""
    drift = MARKET_SHARPE * DAILY_SD / np.sqrt(DAYS_A_YEAR)
    market = drift + DAILY_SD * rng.standard_normal(days)
    switches = rng.random((trials, days)) < 1.0 / HOLDING_DAYS
    switches[:, 0] = rng.random(trials) < 0.5
    held = np.cumsum(switches, axis=1) % 2.0
    raw = held * market
    return raw, in_excess(raw, market, held.mean(axis=1))


def judge(returns: Float2D, years: float, draws: int, tally: Tally, raw: Float2D | None = None) -> None:
    """Judge the best trial of one seed by every statistic."""
    ratios = sharpes(returns)
    best = int(np.argmax(ratios))
    found = deflated_among(returns, best, len(returns), years)
    check = reality_check(returns, seed=SEED + tally.seeds, draws=draws)
    spread = np.sqrt(found.spread or 0.0) * expected_best(DECLARED_TOO_FEW)
    shape = Shape(DAYS_A_YEAR, found.n, found.skew or 0.0, found.kurtosis or 3.0)
    too_few = probabilistic_sharpe(found.sharpe or 0.0, shape, beyond=spread)
    tally.psr += (found.psr or 0.0) >= LEVEL
    tally.deflated += (found.value or 0.0) >= LEVEL
    tally.deflated_too_few += (too_few or 0.0) >= LEVEL
    tally.white_5 += check.p_white is not None and check.p_white <= 0.05
    tally.white_10 += check.p_white is not None and check.p_white <= 0.10
    tally.spa_5 += check.p_spa is not None and check.p_spa <= 0.05
    tally.spa_10 += check.p_spa is not None and check.p_spa <= 0.10
    fixed = reality_check(returns, seed=SEED + tally.seeds, draws=draws, studentise="sample").p_white
    tally.fixed_5 += fixed is not None and fixed <= 0.05
    tally.fixed_10 += fixed is not None and fixed <= 0.10
    tally.seeds += 1
    if tally.seeds <= 20:
        tally.effective += ((effective_trials(returns) or 0.0) - tally.effective) / tally.seeds
    if raw is not None:
        own = sharpes(raw)
        value = deflated_among(raw, int(np.argmax(own)), len(raw), years).value
        tally.raw_deflated = (tally.raw_deflated or 0) + ((value or 0.0) >= LEVEL)


def noise(name: str, count: int, draws: int, trials: int = TRIALS, years: int = 2) -> Tally:
    """Judge the best trial of a world without skill over many seeds."""
    worlds: dict[str, Callable[[np.random.Generator, int, int], tuple[Float2D, Float2D | None]]] = {
        "independent": lambda rng, n, days: (related(rng, n, days, 0.0), None),
        "correlated_06": lambda rng, n, days: (related(rng, n, days, 0.6), None),
        "correlated_09": lambda rng, n, days: (related(rng, n, days, 0.9), None),
        "long_only": lambda rng, n, days: long_only(rng, n, days)[::-1],
    }
    tally = Tally()
    for k in range(count):
        rng = seeds.stream(SEED, f"noise_table/{name}", k)
        returns, raw = worlds[name](rng, trials, years * DAYS_A_YEAR)
        judge(returns, years, draws, tally, raw)
    return tally


def needed(trials: int, years: int) -> float:
    """Annual Sharpe ratio at which the best of so many unskilled trials is worth 0.95."""
    shape = Shape(365.25, round(years * 365.25))
    threshold = expected_best(trials) / np.sqrt(years)
    return sharpe_beyond(threshold, NormalDist().inv_cdf(LEVEL), shape) or float("nan")


def overfitting(count: int, trials: int = TRIALS, years: int = 2) -> tuple[float, float]:
    """Mean and standard deviation of PBO over seeds of independent noise."""
    found = [
        pbo(related(seeds.stream(SEED, "noise_table/pbo", k), trials, years * DAYS_A_YEAR, 0.0)).pbo
        for k in range(count)
    ]
    values = np.array([value for value in found if value is not None])
    return float(values.mean()), float(values.std(ddof=1))


def power(sharpe: float, years: int, count: int, draws: int, trials: int = TRIALS) -> dict[str, float]:
    """Share of seeds in which a skilled trial among noise is best and found, by deflated Sharpe and SPA."""
    found, checked, detectable = 0, 0, 0.0
    for k in range(count):
        rng = seeds.stream(SEED, "noise_table/power", k)
        returns = related(rng, trials, years * DAYS_A_YEAR, 0.0)
        returns[0] += sharpe * DAILY_SD / np.sqrt(DAYS_A_YEAR)
        ratios = sharpes(returns)
        best = int(np.argmax(ratios))
        result = deflated_among(returns, best, trials, years)
        found += best == 0 and (result.value or 0.0) >= LEVEL
        check = reality_check(returns, seed=SEED + k, draws=draws)
        checked += check.best == 0 and check.p_spa is not None and check.p_spa <= 1.0 - LEVEL
        detectable += (result.min_detectable or float("nan")) / count
    return {"deflated": found / count, "spa": checked / count, "min_detectable": detectable}


def seconds_of(call: Callable[[], object], rounds: int = 3) -> float:
    """Shortest wall seconds of a call that has run once before."""
    call()
    spent = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def main() -> int:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--draws", type=int, default=1000)
    chosen = parser.parse_args()
    start = time.perf_counter()
    answer: dict[str, float | int | None] = {"seeds": chosen.seeds, "draws": chosen.draws}
    print(f"Best of {TRIALS} strategies without skill over 2 years, accepted in {chosen.seeds} seeds")
    print(
        "world          psr  dsr  dsr(N=5)  White 5 %  White 10 %  SPA 5 %  SPA 10 %  (fixed scale 5 %, 10 %)"
        "  effective N"
    )
    for name in ("independent", "correlated_06", "correlated_09", "long_only"):
        row = noise(name, chosen.seeds, chosen.draws)
        print(
            f"{name:14}{row.psr:4}{row.deflated:5}{row.deflated_too_few:10}{row.white_5:11}{row.white_10:12}"
            f"{row.spa_5:9}{row.spa_10:10}{row.fixed_5:16}{row.fixed_10:8}{row.effective:13.1f}"
        )
        for key in COUNTS:
            answer[f"{name}_{key}"] = int(getattr(row, key))
        answer[f"{name}_effective"] = round(row.effective, 1)
        if row.raw_deflated is not None:
            answer[f"{name}_raw_deflated"] = row.raw_deflated
            print(f"  (not in excess of the benchmark: deflated Sharpe accepts {row.raw_deflated})")
    worst = 0.0
    print("Annual Sharpe ratio that the best of N needs for 0.95")
    for (trials, years), quoted in QUOTED.items():
        value = needed(trials, years)
        worst = max(worst, abs(value - quoted))
        answer[f"needed_{trials}_{years}y"] = round(value, 4)
        print(f"N {trials:5}, {years} years: {value:.3f} (quoted {quoted})")
    answer["needed_worst_gap"] = round(worst, 4)
    for trials in (100, 46):
        threshold = np.sqrt(0.5) * expected_best(trials)
        vector = probabilistic_sharpe(2.5, Shape(250.0, 1250, -3.0, 10.0), beyond=threshold)
        answer[f"vector_{trials}"] = None if vector is None else round(vector, 4)
    print(f"Example of Bailey and Lopez de Prado: N 100 {answer['vector_100']}, N 46 {answer['vector_46']}")
    mean, sd = overfitting(max(2, chosen.seeds // 2))
    answer |= {"pbo_mean": round(mean, 4), "pbo_sd": round(sd, 4)}
    answer["pbo_off_half"] = round(abs(mean - 0.5), 4)
    print(f"PBO on noise: {mean:.3f} +- {sd:.3f} over seeds")
    print(f"One skilled trial of {TRIALS}: share of seeds in which it is best and found")
    for years in (2, 5):
        for sharpe in (1.0, 2.0, 3.0, 4.0):
            found = power(sharpe, years, max(1, chosen.seeds // 4), chosen.draws)
            answer[f"power_{sharpe:.0f}_{years}y"] = found["deflated"]
            answer[f"power_spa_{sharpe:.0f}_{years}y"] = found["spa"]
            print(
                f"Sharpe {sharpe:.1f}, {years} years: deflated {found['deflated']:.2f}, "
                f"SPA {found['spa']:.2f}, detectable with {POWER:.0%}: {found['min_detectable']:.2f}"
            )
    promised = power(1.0, 2, 2, 100)["min_detectable"]
    answer["power_at_min_detectable"] = power(promised, 2, chosen.seeds, 100)["deflated"]
    print(f"Sharpe {promised:.2f} (the minimum detectable): found in {answer['power_at_min_detectable']:.2f}")
    large = related(seeds.stream(SEED, "noise_table/speed"), 1000, 5 * DAYS_A_YEAR, 0.0)
    answer["reality_check_s"] = round(seconds_of(lambda: reality_check(large, seed=SEED, draws=1000)), 3)
    answer["pbo_s"] = round(seconds_of(lambda: pbo(large)), 3)
    print(
        f"1,000 trials of 1,260 days: Reality Check with 1,000 draws {answer['reality_check_s']} s, "
        f"PBO on 12,870 splits {answer['pbo_s']} s"
    )
    answer["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
