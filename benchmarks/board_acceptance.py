"""What the falsification board says of prices that are random walks, and of prices that obey a power law.

Every path goes through the whole board with the power law.  The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from pipeline import seeds
from pipeline.valuation.falsification.board import falsify
from pipeline.valuation.falsification.power import longest, power_on
from pipeline.valuation.falsification.rules import HALF_LIVES, BoardRules
from pipeline.valuation.falsification.setting import compile_models
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.prediction import GENESIS

if TYPE_CHECKING:
    from pipeline.arrays import Float1D, Time1D
    from pipeline.valuation.falsification.row import BoardRow

SEED = 8
DAYS = 4550
FIRST = np.datetime64("2010-07-18")
SLOPE, SD, HALF_LIFE = 5.7, 0.5, 45.0
LEVEL = -38.2
"""ln USD of the planted law at one day of age."""
DAILY_SD = 0.046
DRIFTS = (0.0, 0.0024)
"""Of the random walks, by turns: none, and Bitcoin's, a day."""
FREEDOM = 4.0
"""Degrees of freedom of their returns, Student's t."""


def random_walk(number: int, days: int = DAYS) -> Float1D:
    """Return ln prices of a random walk with heavy-tailed returns."""
    rng = seeds.stream(SEED, "board_acceptance/walk", number)
    steps = rng.standard_t(FREEDOM, days - 1) * (DAILY_SD / np.sqrt(FREEDOM / (FREEDOM - 2.0)))
    return np.concatenate([[0.0], np.cumsum(steps + DRIFTS[number % len(DRIFTS)])])


def power_law(number: int, half_life: float = HALF_LIFE, days: int = DAYS) -> Float1D:
    """Return ln prices that obey a power law but for an Ornstein-Uhlenbeck residual."""
    rng = seeds.stream(SEED, "board_acceptance/law", number)
    kept = 0.5 ** (1.0 / half_life)
    new = rng.standard_normal(days) * SD * np.sqrt(1.0 - kept**2)
    residual = np.empty(days)
    residual[0] = rng.standard_normal() * SD
    for t in range(1, days):
        residual[t] = kept * residual[t - 1] + new[t]
    age = (FIRST - np.datetime64(GENESIS, "D")).astype(int) + np.arange(days)
    return LEVEL + SLOPE * np.log(age) + residual


def history_of(y: Float1D) -> ChainHistory:
    """Return a history with nothing but prices."""
    days: Time1D = np.asarray(FIRST + np.arange(y.size) * DAY, "datetime64[D]")
    return ChainHistory(days, (days + DAY).astype("datetime64[us]"), {"price_usd": np.exp(y)})


def judged(number: int, kind: str, simulations: int) -> BoardRow:
    """Return the board's verdict on the power law for one path."""
    y = random_walk(number) if kind == "walk" else power_law(number)
    rules = BoardRules(
        simulations=simulations, seed=SEED + 1 + number, planted=100, planted_walks=100, half_lives=()
    )
    return falsify(history_of(y), (PowerLaw(),), rules=rules).ranking[0]


def curve(paths: int, threads: int) -> dict[float, tuple[float, ...]]:
    """Return the power at 30, 90 and 365 days over half-lives of the residual."""
    rules = BoardRules(seed=SEED)
    compiled = compile_models((PowerLaw(),), history_of(power_law(0)), rules.horizons)
    return {
        days: power_on(
            compiled.setting, np.array([power_law(k, days) for k in range(paths)]), compiled.y[0], rules,
            threads=threads,
        )
        for days in HALF_LIVES
    }  # fmt: skip


def counts(rows: list[BoardRow]) -> dict[str, int]:
    """Count verdicts."""
    found = [str(row.verdict) for row in rows]
    return {name: found.count(name) for name in ("skill", "structure", "undecided", "no skill")}


def main() -> int:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--walks", type=int, default=400)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--simulations", type=int, default=999)
    parser.add_argument("--paths", type=int, default=200, help="for each point of the power curve")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn")) as pool:
        rows = {
            kind: list(
                pool.map(
                    partial(judged, kind=kind, simulations=chosen.simulations), range(count), chunksize=5
                )
            )
            for kind, count in (("walk", chosen.walks), ("law", chosen.planted))
        }
    of_walks, of_laws = counts(rows["walk"]), counts(rows["law"])
    accepted = (of_walks["skill"] + of_walks["structure"]) / chosen.walks
    print(f"verdicts on {chosen.walks} random walks: {of_walks}; found {accepted:.2%}")
    print(f"verdicts on {chosen.planted} power laws (half-life {HALF_LIFE:g} days): {of_laws}")
    for kind, found in rows.items():
        skill = np.array([[row.skill, row.skill_drift, row.p] for row in found], np.float64)
        print(f"{kind}: mean skill {skill[:, 0].mean():+.2f}, with drift {skill[:, 1].mean():+.2f}, "
              f"median p {np.median(skill[:, 2]):.3f}")  # fmt: skip
    powers = curve(chosen.paths, chosen.jobs)
    print("half-life   power at 30    90   365 days")
    for days, found in powers.items():
        print(
            f"{days:9.0f}   "
            + "  ".join(f"{each:11.2f}" if k == 0 else f"{each:4.2f}" for k, each in enumerate(found))
        )
    at_verdict = {days: found[1] for days, found in powers.items()}
    print(
        json.dumps(
            {
                "walks": chosen.walks,
                "accepted_share": round(accepted, 4),
                "planted": chosen.planted,
                "structure": of_laws["structure"] + of_laws["skill"],
                "skill": of_laws["skill"],
                "power_curve": {f"{days:g}": share for days, share in at_verdict.items()},
                "detectable_half_life": longest(at_verdict),
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
