"""The door to the kernel for populations: every member is a row of the trial ledger, written in one go.

A block of members, its rows in the ledger and in ``optimization.results``, and its manifest are one
transaction: what a killed search leaves is whole blocks.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.manifests import manifest_for
from warehouse.tables import RESULTS, TRIALS
from warehouse.tables_optimization import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from assets.backtest.context import MarketContext
    from pipeline.arrays import Float1D, Float2D, Time1D
    from pipeline.backtest.population import Population


@dataclass(frozen=True)
class Member:
    """One parameter set that was run.

    Parameters
    ----------
    number
        Place in the order of evaluation.
    params
        What the search chose.
    config_hash
        Of the whole configuration with these parameters.
    metrics
        By name, as `warehouse.tables_optimization.METRICS` lists them; None where unknown.
    daily_returns
        As the ledger keeps them: rounded to 32 bits, shape ``(days,)``.
    digest
        Of the full series.
    stage
        Part of the search that asked for it.
    """

    number: int
    params: Mapping[str, Any]
    config_hash: str
    metrics: Mapping[str, float | None]
    daily_returns: Float1D
    digest: str
    stage: str


@dataclass(frozen=True)
class Search:
    """What all members of one run of an experiment share.

    Parameters
    ----------
    experiment_id, name
        The run and the experiment's name.
    search_hash
        Experiment, settings, data and code.
    metric
        Field of the metrics that ranks.
    started_at
        When it started.
    dagster_run_id
        The Dagster run, when there is one.
    """

    experiment_id: str
    name: str
    search_hash: str
    metric: str
    started_at: datetime
    dagster_run_id: str | None = None

    def trial_id(self, number: int) -> str:
        """Return the id of a member in the ledger."""
        return f"{self.experiment_id}-{number:05d}"


def run_population(
    market: MarketContext,
    search: Search,
    points: Sequence[Mapping[str, Any]],
    hashes: Sequence[str],
    *,
    first: int,
    stage: str,
    threads: int,
) -> list[Member]:
    """Run parameter sets through history in one kernel call and store every one as a research trial.

    Parameters
    ----------
    market
        What they run on.
    search
        The search that asks.
    points, hashes
        Parameters and configuration hash of each member.
    first
        Number of the first member.
    stage
        Label of the block.
    threads
        How many members run at once; no number depends on it.

    Raises
    ------
    ConfigError, ModelError, InsufficientDataError, DataError, TamperedError
        As the kernel and the features raise them; nothing of the block is stored then.  A bankrupt member is
        stored as one.
    RefusedError
        When a hold-out window on these days was declared meanwhile; nothing of the block is stored then.
    """
    from pipeline.backtest.population import evaluate

    desk = market.desk
    since = desk.clock.monotonic()
    params = [market.parameters(point) for point in points]
    done = evaluate(
        market.context(params),
        market.strategy,
        params,
        rules=market.rules,
        assets=market.assets,
        initial_nav=market.initial_nav,
        start=market.window[0],
        end=market.window[1],
        threads=threads,
    )
    members = [
        _member(done, row, first + row, point, config_hash, stage)
        for row, (point, config_hash) in enumerate(zip(points, hashes, strict=True))
    ]
    manifest = manifest_for(
        RESULTS,
        desk.loaded,
        search.started_at,
        inputs=market.inputs,
        seconds=desk.clock.monotonic() - since,
        dagster_run_id=search.dagster_run_id,
    )
    trials = _trials(market, search, members, done.cash_returns)
    frames = [(TRIALS, trials), (RESULTS, results_frame(search, members))]
    desk.warehouse.write_many(frames, manifest=manifest, require=market.still_unseen)
    return members


def results_frame(
    search: Search,
    members: Sequence[Member],
    ranks: Mapping[int, int] | None = None,
    front: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Return members as rows of ``optimization.results``; without ranks the search is unfinished."""
    import polars as pl

    rows = [
        {
            "experiment_id": search.experiment_id,
            "member": member.number,
            "name": search.name,
            "search_hash": search.search_hash,
            "stage": member.stage,
            "trial_id": search.trial_id(member.number),
            "config_hash": member.config_hash,
            "params_json": json.dumps(dict(member.params), sort_keys=True),
            "score": member.metrics[search.metric],
            "rank": None if ranks is None else ranks[member.number],
            "on_front": None if front is None else member.number in front,
            **member.metrics,
            "digest": member.digest,
        }
        for member in members
    ]
    typed: dict[str, Any] = {"rank": pl.Int64, "on_front": pl.Boolean, "score": pl.Float64}
    typed |= {column.name: pl.Float64 for column in METRICS}
    return pl.DataFrame(rows, schema_overrides=typed, infer_schema_length=None)


def stored_members(market: MarketContext, search: Search) -> list[Member]:
    """Return the members of a search that the warehouse keeps, in the order in which they ran."""
    import numpy as np

    rows = market.desk.warehouse.query("experiment_results", experiment_id=search.experiment_id)
    if not rows.height:
        return []
    trials = market.desk.warehouse.as_of(
        TRIALS, where={"trial_id": rows["trial_id"].to_list()}, columns=("trial_id", "daily_returns")
    )
    returns = dict(trials.iter_rows())
    return [
        Member(
            number=row["member"],
            params=json.loads(row["params_json"]),
            config_hash=row["config_hash"],
            metrics={column.name: row[column.name] for column in METRICS},
            daily_returns=np.asarray(returns[row["trial_id"]], dtype=np.float64),
            digest=row["digest"],
            stage=row["stage"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _member(
    done: Population, row: int, number: int, point: Mapping[str, Any], config_hash: str, stage: str
) -> Member:
    import numpy as np

    values = {column.name: float(done.metrics[column.name][row]) for column in METRICS}
    return Member(
        number=number,
        params=dict(point),
        config_hash=config_hash,
        metrics={name: None if np.isnan(value) else value for name, value in values.items()},
        daily_returns=in_ledger(done.daily_returns[row]),
        digest=done.digests[row],
        stage=stage,
    )


def ledger_row(
    market: MarketContext, search: Search, trial_id: str, kind: str, config_hash: str, code: str
) -> dict[str, Any]:
    """Return what every row of the ledger says of a run of this search."""
    return {
        "trial_id": trial_id,
        "run_id": None,
        "strategy": market.strategy.name,
        "family": market.family,
        "kind": kind,
        "config_hash": config_hash,
        "data_hash": market.data_hash,
        "code_version": code,
        **dict(zip(("window_start", "window_end"), window_in_cells(market), strict=True)),
        "universe": ",".join(sorted(market.strategy.universe)),
        "who": getpass.getuser(),
        "ran_at": search.started_at,
    }


def window_in_cells(market: MarketContext) -> tuple[datetime, datetime]:
    """Return the first decision cell and the end of the last one: what the ledger calls the window."""
    import numpy as np

    from pipeline.calendar.grid import CELL64, from_time64, to_time64

    ts: Time1D = market.read.panel.ts
    start, end = (int(np.searchsorted(ts, to_time64(t, "window"))) for t in market.window)
    first, last = min(start, ts.size - 1), max(end - 1, 0)
    return from_time64(ts[first]), from_time64(ts[last] + CELL64)


def _known(returns: Float1D) -> list[float | None]:
    """Return daily returns as the ledger keeps them; those after a bankruptcy are unknown."""
    return [None if value != value else value for value in returns.tolist()]  # noqa: PLR0124 - NaN


def in_ledger(returns: Float1D) -> Float1D:
    """Return daily returns as the ledger keeps them: rounded to 32 bits."""
    import numpy as np

    return returns.astype(np.float32).astype(np.float64)


def cash_table(series: Sequence[Sequence[float] | Float1D], days: int) -> Float2D:
    """Return what cash earned in trials, shape ``(trials, days)``; one that is empty earned nothing."""
    import numpy as np

    table = np.zeros((len(series), days))
    for row, earned in zip(table, series, strict=True):
        row[:] = earned if len(earned) else 0.0
    return table


def _trials(market: MarketContext, search: Search, members: Sequence[Member], cash: Float1D) -> pl.DataFrame:
    import polars as pl

    code = market.code
    rows = [
        ledger_row(market, search, search.trial_id(member.number), "research", member.config_hash, code)
        | {"digest": member.digest}
        for member in members
    ]
    frame = pl.DataFrame(rows, schema_overrides={"run_id": pl.String}, infer_schema_length=None)
    returns = [_known(member.daily_returns) for member in members]
    earned = pl.Series([cash.tolist()], dtype=pl.List(pl.Float64))
    return frame.with_columns(
        daily_returns=pl.Series(returns, dtype=pl.List(pl.Float64)),
        cash_returns=earned.new_from_index(0, len(members)),
    )
