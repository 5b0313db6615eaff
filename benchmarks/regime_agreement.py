"""How often the classifiers say what was planted, over many simulated worlds of ``strong_world.py``.

A path is a world of fifteen years.  Bars are its H4 decisions; left out those before the longest look-back
is full, and the first 120 sessions (UTC days for crypto) after each planted change.  Two figures are told of
equity and volatility: over the bars that the classifier calls something else than neutral or normal, which
the definitions bound, and over all bars.  ``--paths`` says how many worlds of each kind.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.regimes.rows import RegimeInputs, observations_of
from benchmarks.strong_world import Kind, settings, world_of
from pipeline.calendar.grid import CELL64, utc_days
from pipeline.calendar.sessions import session_table
from pipeline.regimes.vocabulary import DIMENSIONS, START, code

if TYPE_CHECKING:
    from pipeline.arrays import Bool1D, Int1D, Time1D
    from pipeline.market.sample.world import World
    from pipeline.regimes.classify import Classification

END = datetime(2034, 1, 1, tzinfo=UTC)
LEFT_OUT = 120
SCOPES = {"equity": "equity", "vol": "volatility", "crypto": "crypto", "macro": "macro"}
"""The planted scope of each dimension."""
WARM_UP = {"equity": 253, "vol": 0, "crypto": 201, "macro": 0}
"""Sessions, or UTC days, before the longest look-back is full."""


def main() -> int:
    """Make worlds, classify, compare, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--paths", type=int, default=100)
    paths = parser.parse_args().paths
    measured: dict[str, Any] = {"paths": paths}
    wanted: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("trend", ("equity", "crypto")),
        ("same_law", ("crypto",)),
        ("volatility", ("vol",)),
        ("realistic", ("equity", "vol", "crypto", "macro")),
    )
    for kind, dimensions in wanted:
        found = [agreement(world_of(kind, seed), dimensions) for seed in range(paths)]
        measured[kind] = {
            dimension: {
                name: float(np.nanmean([path[dimension][name] for path in found]))
                for name in found[0][dimension]
            }
            for dimension in dimensions
        }
    print(json.dumps(measured))
    return 0


def agreement(world: World, dimensions: tuple[str, ...], end: datetime = END) -> dict[str, dict[str, float]]:
    """Return by dimension the agreement over bars ``told`` (not the start label) and over ``all``."""
    classified = classified_world(world, end)
    truth = world.truth(end)
    return {
        dimension: _compare(dimension, classified, truth.filter(pl.col("scope") == SCOPES[dimension]))
        for dimension in dimensions
    }


def classified_world(world: World, end: datetime) -> Classification:
    """Return the labels at every decision of a world up to ``end``."""
    known = settings().settings
    observations = observations_of(world.bars_daily(end), world.macro(end), known, end)
    read = RegimeInputs(observations, known.regimes, (), ())
    return read.at(read.axis(end))


def _compare(dimension: str, classified: Classification, truth: pl.DataFrame) -> dict[str, float]:
    words = [str(label) for label in DIMENSIONS[dimension]]
    days = truth["ts"].dt.replace_time_zone(None).to_numpy()
    planted = truth["label"].replace_strict(words, list(range(len(words))), return_dtype=pl.Int64).to_numpy()
    cells = classified.decisions - CELL64
    day = np.searchsorted(days, utc_days(cells))
    settled = _settled(dimension, days, planted)[day]
    label, latent = classified.of[dimension].codes[settled], planted[day][settled]
    told = np.ones(label.size, np.bool_) if dimension == "crypto" else label != code(START[dimension])
    right = label == latent
    return {
        "told": float(right[told].mean()) if told.any() else float("nan"),
        "all": float(right.mean()) if right.size else float("nan"),
        "share_told": float(told.mean()) if told.size else float("nan"),
    }


def _settled(dimension: str, days: Time1D, planted: Int1D) -> Bool1D:
    """Tell which days count: long enough after the start and after each planted change."""
    if dimension == "crypto":
        number = np.arange(days.size)
    else:
        number = np.searchsorted(session_table("XNYS").date, days)
        number = number - number[0]
    changes = np.concatenate([[True], planted[1:] != planted[:-1]])
    since = number - np.maximum.accumulate(np.where(changes, number, 0))
    return (since >= LEFT_OUT) & (number >= WARM_UP[dimension])


if __name__ == "__main__":
    sys.exit(main())
