"""Rows of ``regimes.h4`` and ``regimes.transitions`` from a classification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from warehouse.tables import REGIMES_H4, TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    import polars as pl

    from pipeline.config.regimes import RegimeSettings
    from pipeline.regimes.classify import Classification
    from pipeline.regimes.transitions import Transition
    from resources.logs import Logs
    from resources.market.port import MarketSource
    from warehouse.store import Warehouse

WITHDRAWN = "withdrawn"


def changes_of(classified: Classification) -> list[Transition]:
    """Return every change of label; see `pipeline.regimes.transitions`."""
    from pipeline.regimes.transitions import transitions

    return transitions(classified)


def of_window(rows: pl.DataFrame, window: tuple[datetime, datetime]) -> pl.DataFrame:
    """Return the rows whose label lies in ``window``, its end excluded."""
    return rows.filter(rows["ts"].is_between(*window, closed="left"))


def label_rows(classified: Classification, rules: RegimeSettings, market: MarketSource) -> pl.DataFrame:
    """Return one row of ``regimes.h4`` for each decision, known when it is taken."""
    import polars as pl

    from pipeline.calendar.grid import CELL64
    from pipeline.regimes.version import rules_version
    from pipeline.regimes.vocabulary import labels

    columns: dict[str, pl.Series] = {"ts": _utc(classified.decisions - CELL64)}
    for dimension, of in classified.of.items():
        columns[dimension] = pl.Series(labels(dimension, of.codes), dtype=pl.String)
        for name, values in of.inputs.items():
            columns[f"{dimension}_{name}"] = pl.Series(values).fill_nan(None)
        columns[f"{dimension}_observed"] = _utc(of.observed)
        columns[f"{dimension}_missed"] = pl.Series(of.missed).fill_nan(None)
    return pl.DataFrame(columns).select(
        pl.lit(market.feed).alias("feed"),
        pl.lit(rules_version(rules)).alias("rules"),
        *(pl.col(name) for name in REGIMES_H4.names if name in columns),
        pl.lit(market.simulated).alias("simulated"),
        _utc(classified.decisions).alias("known_at"),
    )


def transition_rows(
    changes: Sequence[Transition], rules: RegimeSettings, market: MarketSource
) -> pl.DataFrame:
    """Return one row of ``regimes.transitions`` for each change, known at its decision."""
    import numpy as np
    import polars as pl

    from pipeline.calendar.grid import CELL64
    from pipeline.regimes.version import rules_version

    decisions = np.array([change.decision for change in changes], "datetime64[us]")
    frame = pl.DataFrame(
        {
            "dimension": pl.Series([change.dimension for change in changes], dtype=pl.String),
            "ts": _utc(decisions - CELL64),
            "label_before": pl.Series([change.before for change in changes], dtype=pl.String),
            "label_after": pl.Series([change.after for change in changes], dtype=pl.String),
            "cause": pl.Series([str(change.cause) for change in changes], dtype=pl.String),
            "observed": _utc(np.array([change.observed for change in changes], "datetime64[us]")),
            "inputs_json": pl.Series([json.dumps(dict(c.inputs)) for c in changes], dtype=pl.String),
            "known_at": _utc(decisions),
        }
    )
    return frame.with_columns(
        feed=pl.lit(market.feed), rules=pl.lit(rules_version(rules)), simulated=pl.lit(market.simulated)
    ).select(TRANSITIONS.readable)


def stored_transitions(
    warehouse: Warehouse, feed: str, rules: RegimeSettings, window: tuple[datetime, datetime]
) -> pl.DataFrame:
    """Return the changes that are stored for some rules and not withdrawn, by ``window`` of the labels."""
    import polars as pl

    from pipeline.regimes.version import rules_version

    stored = warehouse.as_of(
        TRANSITIONS, where={"feed": feed, "rules": rules_version(rules)}, start=window[0], end=window[1]
    )
    return stored.filter(pl.col("cause") != WITHDRAWN)


def with_withdrawn(rows: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Return the changes together with those that are stored and no longer any: history that came late."""
    import polars as pl

    gone = stored.join(rows, on=TRANSITIONS.key, how="anti").with_columns(
        label_after=pl.col("label_before"), cause=pl.lit(WITHDRAWN)
    )
    return pl.concat([rows, gone.select(rows.columns)])


def log_changes(logs: Logs, rows: pl.DataFrame) -> None:
    """Write changes to the stream ``regime``."""
    stream = logs.stream("regime", "regimes")
    for row in rows.sort("ts", "dimension").to_dicts():
        stream.info(
            "transition",
            dimension=row["dimension"],
            decision=str(row["known_at"]),
            label_before=row["label_before"],
            label_after=row["label_after"],
            cause=row["cause"],
            inputs=row["inputs_json"],
            simulated=row["simulated"],
        )


def _utc(times: np.ndarray) -> pl.Series:
    import polars as pl

    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
