"""What stands beside the look-ahead proof: features do not depend on where a history starts, and the meter.

The restatement meter counts what publishers changed; the proof shows that such changes reach nothing earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from warehouse.memory import FrameStore
from warehouse.tables import MACRO, OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.lookahead.drivers import Bench
    from pipeline.arrays import Bool2D, Float2D, Int2D, Time1D
    from pipeline.lookahead.perturb import World
    from pipeline.lookahead.proof import Stretch
    from warehouse.store import Warehouse

TOLERANCE = 1e-9
"""Of recurrences, relative to the largest value so far: they forget a share of what they held."""
LATEST = 0.4
"""Histories start anew in this share of a stretch: features over 252 sessions need the rest."""
BESIDE = ("ema_200",)
"""Features beside the standard ones: the longest memory that anyone uses."""


def start_dates(bench: Bench, stretches: Sequence[Stretch], *, starts: int, seed: int) -> dict[str, Any]:
    """Compare features of histories that start later with those of the whole stretch, once both are settled.

    Returns
    -------
    dict
        ``start_dates`` tried, ``start_cells`` compared, ``start_changed``: how many differ by more than
        `TOLERANCE`, and ``start_worst``, the largest difference.
    """
    import numpy as np
    import polars as pl

    from pipeline.features.registry import STANDARD, parse
    from pipeline.seeds import stream

    specs = (*STANDARD, *(parse(name) for name in BESIDE))
    cells = changed = 0
    worst = 0.0
    for number in range(starts):
        stretch = stretches[number % len(stretches)]
        rng = stream(seed, "lookahead/starts", number)
        bars = stretch.world[OHLCV_H4.full_name]["ts"].sort()
        first = bars.head(1).item()
        since = first + (stretch.last - first) * float(rng.uniform(0.0, LATEST))
        later = {name: rows.filter(pl.col("ts") >= since) for name, rows in stretch.world.items()}
        reads = [
            bench.open(world, stretch.last).history(bench.sources.traded, stretch.last)
            for world in (stretch.world, later)
        ]
        whole, short = (read.features(specs) for read in reads)
        offset = int(np.searchsorted(reads[0].panel.ts, reads[1].panel.ts[0]))
        h4, daily = _seen(reads[1].panel.present), _closes(bench, later, reads[1].panel.decisions)
        for spec in specs:
            settled = (h4 if spec.timeframe == "h4" else daily) > spec.settled
            apart = _apart(whole[spec.name][offset:], short[spec.name])[settled]
            cells += apart.size
            changed += int((apart > TOLERANCE).sum())
            worst = max(worst, float(apart.max(initial=0.0)))
    # NaN on one side only is infinitely far, which JSON has no word for.
    return {
        "start_dates": starts,
        "start_cells": cells,
        "start_changed": changed,
        "start_worst": worst if np.isfinite(worst) else None,
    }


def restated(bench: Bench) -> dict[str, Any]:
    """Return how many published cells of the source's series were restated, and in how many series."""
    from assets.market.restatement import restated_series

    frames = {t.full_name: bench.sources.rows[t.full_name] for t in (OHLCV_H4, OHLCV_DAILY, MACRO)}
    metered = restated_series(cast("Warehouse", FrameStore(frames)), bench.desk.market.feed)
    measured = metered.filter(metered["cells"].is_not_null())
    return {
        "restatement": {
            "series": metered.height,
            "measurable": measured.height,
            "restated_series": int((measured["restated"] > 0).sum()),
            "restated_cells": int(measured["restated"].sum()),
        }
    }


def _seen(present: Bool2D) -> Int2D:
    """Return how many bars each asset has had by each cell, shape ``(bars, assets)``."""
    import numpy as np

    return np.cumsum(present, axis=0, dtype=np.int64)


def _closes(bench: Bench, world: World, decisions: Time1D) -> Int2D:
    """Return how many daily closes of each asset were known by each decision, shape ``(bars, assets)``."""
    import numpy as np

    rows = world[OHLCV_DAILY.full_name]
    columns = []
    for symbol in bench.sources.traded:
        known = rows.filter(rows["symbol"] == symbol)["known_at"].dt.replace_time_zone(None).sort().to_numpy()
        columns.append(np.searchsorted(known, decisions, side="right"))
    return np.stack(columns, axis=1)


def _apart(one: Float2D, other: Float2D) -> Float2D:
    """Return differences relative to the largest value so far, at least 1; infinite where one is unknown."""
    import numpy as np

    apart = np.abs(one - other) / np.fmax(1.0, np.fmax.accumulate(np.abs(one), axis=0))
    unknown = np.isnan(one), np.isnan(other)
    return np.where(unknown[0] & unknown[1], 0.0, np.where(unknown[0] ^ unknown[1], np.inf, apart))
