"""What a materialisation of regimes shows and how its rows are judged: strips, numbers that plot, checks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.describe import describe_months, markdown_table, numbers, picture, rows_by_month
from warehouse.tables import REGIMES_H4, TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    import polars as pl

    from assets.regimes.rows import RegimeInputs
    from pipeline.regimes.classify import Classification
    from pipeline.regimes.transitions import Transition
    from resources.market.port import MarketSource
    from warehouse.append import Appended
    from warehouse.store import Warehouse

SHOWN_YEARS = 8
NEWEST = 12


def labels_result(
    context: dg.AssetExecutionContext,
    rows: pl.DataFrame,
    done: Appended,
    classified: Classification,
    read: RegimeInputs,
    *,
    market: MarketSource,
    warehouse: Warehouse,
    until: datetime,
) -> dg.MaterializeResult:
    """Report the labels of a window and judge the whole classification."""
    values = [name for name in rows.columns if rows.schema[name].is_float()]
    shown = {
        **_counts(rows, done),
        **_newest(classified),
        "latest revision only": ", ".join(read.latest_revision) or "none",
        **strips(classified, market),
    }
    describe_months(context, rows_by_month(rows), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=[
            checks.duplicates(warehouse.duplicates(REGIMES_H4)),
            checks.no_nan(rows, values),
            checks.known_in_time(seen_too_early(classified, read) + _before_their_cell(rows)),
            inputs_fresh(read, until),
            leaves_start(classified),
        ],
    )


def transitions_result(
    context: dg.AssetExecutionContext,
    rows: pl.DataFrame,
    done: Appended,
    changes: list[Transition],
    *,
    market: MarketSource,
    warehouse: Warehouse,
) -> dg.MaterializeResult:
    """Report the changes of a window."""
    newest = [
        {
            "decision": str(change.decision)[:16],
            "dimension": change.dimension,
            "change": f"{change.before} to {change.after}",
            "cause": str(change.cause),
            "inputs": ", ".join(f"{k} {v:.6g}" for k, v in change.inputs.items() if v is not None),
        }
        for change in reversed(changes[-NEWEST:])
    ]
    by_dimension = {
        f"changes of {name}": float(sum(change.dimension == name for change in changes))
        for name in dict.fromkeys(change.dimension for change in changes)
    }
    shown = {**_counts(rows, done), **by_dimension, "newest": markdown_table(newest)}
    describe_months(context, rows_by_month(rows), shown)
    return dg.MaterializeResult(
        metadata={"simulated": market.simulated},
        check_results=[
            checks.duplicates(warehouse.duplicates(TRANSITIONS)),
            checks.known_in_time(_before_their_cell(rows)),
        ],
    )


def seen_too_early(classified: Classification, read: RegimeInputs) -> int:
    """Count decisions whose newest observation was not known by then, apart from the classifiers."""
    import numpy as np

    from pipeline.regimes.classify import names_of

    wrong = 0
    for dimension, labels in classified.of.items():
        first: dict[np.datetime64, np.datetime64] = {}
        for name in names_of(read.rules, dimension):
            one = read.observations[name]
            for ts, known_at in zip(one.ts, one.known_at, strict=True):
                first[ts] = min(known_at, first.get(ts, known_at))
        places, index = np.unique(labels.observed, return_inverse=True)
        never = np.datetime64("9999-01-01", "us")
        known = np.array(
            [classified.decisions[0] if np.isnat(ts) else first.get(ts, never) for ts in places],
            "datetime64[us]",
        )
        wrong += int((known[index] > classified.decisions).sum())
    return wrong


def inputs_fresh(read: RegimeInputs, until: datetime) -> dg.AssetCheckResult:
    """Warn about inputs whose next value is more than 48 hours overdue, and about dimensions without any."""
    from pipeline.calendar.stale import Staleness, staleness
    from pipeline.regimes.classify import INPUTS, names_of

    told = []
    for dimension in INPUTS:
        name = next((n for n in names_of(read.rules, dimension) if read.observations[n].n), None)
        if name is None:
            told.append(f"{dimension}: no input in the feed")
            continue
        one = read.observations[name]
        state = staleness(one.ts, one.known_at, one.expected_ts, one.expected_known_at, until)
        if state is not Staleness.FRESH:
            told.append(f"{dimension}: {name} ends {str(one.ts[-1])[:10]} ({state})")
    return dg.AssetCheckResult(
        check_name="inputs_fresh",
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told) or "every input is up to date",
        metadata={"stale_inputs": len(told)},
    )


def leaves_start(classified: Classification) -> dg.AssetCheckResult:
    """Warn about dimensions that never left the label they start with: nothing would ever follow a regime."""
    from pipeline.regimes.vocabulary import START, code

    idle = [name for name, labels in classified.of.items() if not (labels.codes != code(START[name])).any()]
    return dg.AssetCheckResult(
        check_name="leaves_neutral",
        passed=not idle,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"never left the start label: {', '.join(idle)}" if idle else "every dimension changes",
        metadata={"idle_dimensions": len(idle)},
    )


def _counts(rows: pl.DataFrame, done: Appended) -> dict[str, float]:
    counts = {"inserted": done.inserted, "revised": done.revised, "unchanged": done.unchanged}
    return {"dagster/row_count": rows.height, **numbers(counts)}


def _before_their_cell(rows: pl.DataFrame) -> int:
    import polars as pl

    return rows.filter(pl.col("known_at") < pl.col("ts") + timedelta(hours=4)).height


def _newest(classified: Classification) -> dict[str, float]:
    """Return labels as places in their dimension, inputs and missed values of the newest decision."""
    shown: dict[str, float] = {}
    for dimension, labels in classified.of.items():
        if labels.codes.size:
            shown[dimension] = float(labels.codes[-1])
            of = {**labels.inputs, "missed": labels.missed}
            shown |= {
                f"{dimension} {name}": float(values[-1])
                for name, values in of.items()
                if values[-1] == values[-1]
            }
    return shown


def strips(classified: Classification, market: MarketSource) -> Mapping[str, dg.MarkdownMetadataValue]:
    """Return the strips of the newest years, one label a day."""
    import numpy as np
    import polars as pl

    from pipeline.market.pictures import regime_strips
    from pipeline.regimes.vocabulary import labels

    decisions = classified.decisions
    if not decisions.size:
        return {}
    shown = np.flatnonzero(decisions > decisions[-1] - np.timedelta64(366 * SHOWN_YEARS, "D"))[::-6][::-1]
    frame = pl.concat(
        pl.DataFrame(
            {
                "scope": pl.Series([dimension] * shown.size, dtype=pl.String),
                "ts": decisions[shown],
                "label": pl.Series(labels(dimension, of.codes[shown]), dtype=pl.String),
            }
        )
        for dimension, of in classified.of.items()
    )
    drawn = regime_strips(frame, f"Regimes, feed {market.feed}", simulated=market.simulated)
    return {"picture": picture(drawn, "regimes")}
