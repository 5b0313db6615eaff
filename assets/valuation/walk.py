"""Walking all valuation models over a history: what is stored of it, and what a run shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assets.valuation.given import mark, stored_rows
from assets.valuation.report import Part, pictures_of
from assets.valuation.rows import backtest_rows, fit_rows, prediction_rows
from warehouse.tables import BACKTESTS, MODELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.settings import Settings
    from warehouse.manifest import Manifest
    from warehouse.store import Warehouse

GIVEN = "given rows"
"""Metadata by which a later run finds the rows of this walk among all that are stored."""
TABLES = (MODELS, PREDICTIONS, BACKTESTS)
"""In the order of the parts of a valuation."""


def walk(
    settings: Settings,
    read: ValuationInputs,
    config: str,
    manifest: Manifest,
    *,
    warehouse: Warehouse,
    shown: Mapping[str, Any],
) -> tuple[Part, ...]:
    """Walk all models, store what they gave in one transaction, and draw it."""
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.record import records_of, scores_of

    chosen, seed = settings.valuation, settings.system.controls.seed
    horizons = chosen.intervals.horizons
    records, absent = records_of(
        configured_models(chosen), read.history, horizons=horizons, refit=chosen.backtest.refit
    )
    scored = [(each, h, scores_of(each, h, seed=seed)) for each in records for h in horizons]
    frames = (
        fit_rows(records, read, config),
        prediction_rows(records, read, config),
        backtest_rows(scored, read, config),
    )
    written = warehouse.write_many(tuple(zip(TABLES, frames, strict=True)), manifest=manifest)
    drawn = pictures_of(records, frames[2], read)
    told = {"models without data": "; ".join(f"{n}: {why}" for n, why in absent.items())} if absent else {}
    marks = [
        mark(table, stored_rows(warehouse, table, feed=read.feed, config=config), rows)
        for table, rows in zip(TABLES, frames, strict=True)
    ]
    return tuple(
        Part(rows.sort(table.key), done, {**pictures, **told, **shown, GIVEN: found, "walked": True})
        for table, rows, done, pictures, found in zip(
            TABLES, frames, written.appended, drawn, marks, strict=True
        )
    )
