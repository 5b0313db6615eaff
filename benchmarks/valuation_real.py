"""The facts of the real chain through the desk: stored by the asset's update, judged as the command does.

Needs the folder named by ``EIGHTBELLS_DATA``.  Prints one JSON object as its last line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

import numpy as np


def facts(threads: int = 2) -> dict[str, Any]:
    """Return slope, thermocap, stock-to-flow, how many rows a second update changes, and the board."""
    from assets.chain.ingest import update_days
    from assets.manifests import manifest_for
    from assets.valuation.inputs import read_history
    from assets.valuation.judge import judge
    from pipeline.valuation.power_law import PowerLaw
    from resources.desk import open_desk
    from warehouse.tables import METRICS_DAILY

    with tempfile.TemporaryDirectory(prefix="eightbells-valuation-") as home:
        desk = open_desk({**os.environ, "EIGHTBELLS_HOME": home, "EIGHTBELLS_SOURCE": "files"})
        desk.home.prepare()
        now = desk.clock.now()
        manifest = manifest_for(METRICS_DAILY, desk.loaded, now)
        symbol = desk.loaded.settings.chain.price_symbol

        def update() -> Any:
            return update_days(
                desk.chain, now, market=desk.market, symbol=symbol, warehouse=desk.warehouse, now=now,
                manifest=manifest,
            )  # fmt: skip

        first, again = update(), update()
        history = read_history(desk.warehouse, feed=desk.chain.feed, at=now).history
        began = time.perf_counter()
        judged = judge(desk.loaded, warehouse=desk.warehouse, feed=desk.chain.feed, now=now, threads=threads)
        seconds = time.perf_counter() - began
        last, june = np.datetime64("2022-12-31"), np.datetime64("2020-06-01")

        def at(name: str, day: np.datetime64) -> float:
            return float(history.values_at(name, np.array([day]))[0])

        ranking = judged.board.ranking
        return {
            "days": first.inserted,
            "changed_again": again.inserted + again.revised,
            "slope": PowerLaw().fit(history.before(last + 1)).require_fitted().parameters.beta,
            "thermocap": at("thermocap_usd", last),
            "s2f_2020": at("s2f", june),
            "s2f_2022": at("s2f", last),
            "height_2020": at("height", june),
            "height_2022": at("height", last),
            "board_seconds": seconds,
            "judged": sum(row.verdict is not None for row in ranking),
            "models": len(ranking),
            "scored": max(row.n for row in ranking),
            "verdicts": {row.model: row.verdict and str(row.verdict) for row in ranking},
            "reasons_missing": sum(not row.reason for row in ranking),
        }


def main() -> int:
    """Print the facts."""
    print(json.dumps(facts()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
