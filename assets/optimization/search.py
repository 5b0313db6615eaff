"""One run of an experiment file: members through the door, then what of the best is skill and what luck."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.backtest.context import market_context
from assets.backtest.population import Search, results_frame
from assets.manifests import manifest_for
from assets.optimization.members import quiet, run_members
from assets.optimization.rows import experiment_frame, folds_frame, shown_experiment
from assets.optimization.speed import speed_of
from pipeline.errors import ComponentNotFoundError, ConfigError, ResourceError
from resources.claim import claim
from warehouse.manifest import new_id
from warehouse.tables import EXPERIMENTS, FOLDS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from assets.backtest.context import MarketContext
    from assets.backtest.population import Member
    from assets.optimization.evidence import Evidence
    from assets.optimization.members import Progress
    from pipeline.arrays import Float2D
    from pipeline.config.experiment import Experiment
    from pipeline.optimization.space import Point, Space
    from resources.desk import Desk


@dataclass(frozen=True)
class Optimized:
    """A finished search.

    Parameters
    ----------
    row
        What commands print: identity, best member, statistics.
    members
        Every member, in the order in which they ran.
    top
        The best members, as many as the file asks for.
    evidence
        What judged it.
    folder
        Its artefacts: report, pictures, tables.
    """

    row: Mapping[str, Any]
    members: tuple[Member, ...]
    top: tuple[Member, ...]
    evidence: Evidence
    folder: Path


def run_experiment(
    desk: Desk,
    *,
    threads: int = 1,
    resume: bool = False,
    progress: Progress = quiet,
    dagster_run_id: str | None = None,
) -> Optimized:
    """Run the experiment that the desk was opened with and store everything about it.

    Parameters
    ----------
    desk
        Settings, warehouse, market source and clock; opened with an experiment file.
    threads
        How many members run at once; no number depends on it.
    resume
        Go on from the blocks that an interrupted run of the same search has stored.
    progress
        Told how far the search is.
    dagster_run_id
        The Dagster run, when there is one.

    Raises
    ------
    ConfigError
        When the experiment searches for nothing, or a parameter is unknown or does nothing.
    InsufficientDataError
        When the warehouse lacks the bars.
    RefusedError
        When the window reaches into a hold-out window, be it declared before or meanwhile; blocks that were
        stored before stay.
    ResourceError
        When another process is at the search that is to be resumed, or has just finished it.
    """
    from pipeline.optimization.goals import FIELDS
    from pipeline.optimization.space import spaces_of

    desk.home.prepare()
    desk.warehouse.migrate()
    started, since = desk.clock.now(), desk.clock.monotonic()
    experiment = experiment_of(desk)
    progress("reading history", 0, 0)
    market = market_context(desk)
    spaces = spaces_of(experiment, market.strategy, market.configured)
    _require_effect(market, spaces)
    start = _start_of(desk, experiment, market)
    search_hash = _search_hash(market, experiment, start)
    search = Search(
        experiment_id=_unfinished(desk, search_hash) if resume else new_id(started),
        name=experiment.name,
        search_hash=search_hash,
        metric=FIELDS[experiment.optimization.metric],
        started_at=started,
        dagster_run_id=dagster_run_id,
    )
    with claim(
        desk.home.artifacts / "experiments" / search.experiment_id / "running",
        f"this search ({search.name}, {search.experiment_id})",
        "wait until it has ended: `bells optimize list` shows its answer then; it loses nothing",
    ):
        if resume:
            _require_unfinished(desk, search)
        return _searched(market, search, spaces, start, threads=threads, progress=progress, since=since)


def _searched(
    market: MarketContext,
    search: Search,
    spaces: Mapping[str, Space],
    start: Sequence[Point],
    *,
    threads: int,
    progress: Progress,
    since: float,
) -> Optimized:
    """Run the members that are not stored yet, judge them all, and store the answer."""
    from assets.optimization.evidence import evidence_of
    from assets.optimization.files import write_files
    from pipeline.optimization.plan import objectives_of, plan_of

    desk, experiment = market.desk, experiment_of(market.desk)
    objectives = objectives_of(experiment)
    plan = plan_of(experiment, dict(spaces), start)
    members, refused = run_members(market, search, plan, objectives, threads=threads, progress=progress)
    found = evidence_of(market, search, experiment, spaces, members, refused=refused)
    seconds = desk.clock.monotonic() - since
    row = experiment_frame(market, search, experiment, found, members, seconds)
    folds = folds_frame(search, found, members)
    frames = [
        (EXPERIMENTS, row),
        (RESULTS, results_frame(search, members, found.ranks, found.front)),
        (FOLDS, folds),
        found.controls,
    ]
    manifest = manifest_for(
        EXPERIMENTS,
        desk.loaded,
        search.started_at,
        inputs=market.inputs,
        seconds=seconds,
        dagster_run_id=search.dagster_run_id,
    )
    desk.warehouse.write_many(frames, manifest=manifest, require=market.still_unseen)
    shown = shown_experiment(row.row(0, named=True))
    shown["speed"] = speed_of(market, [market.parameters(member.params) for member in members])
    progress("report", plan.members, plan.members)
    folder = write_files(desk, experiment, shown, found, members, folds.to_dicts())
    ordered = sorted(members, key=lambda member: found.ranks[member.number])
    return Optimized(
        row=shown,
        members=tuple(members),
        top=tuple(ordered[: experiment.optimization.save_top_n]),
        evidence=found,
        folder=folder,
    )


def experiment_of(desk: Desk) -> Experiment:
    """Return the experiment that the desk was opened with.

    Raises
    ------
    ConfigError
        When there is none, or it searches for nothing.
    """
    experiment = desk.loaded.experiment
    if experiment is None or experiment.method is None:
        raise ConfigError(
            "the experiment searches for nothing",
            field="experiment.method",
            constraint="one of grid, random, evolutionary, hybrid, pareto, walk_forward",
            fix="add a method, or write a new file with `bells experiment new NAME --strategy S --method M`",
        )
    return experiment


def _require_effect(market: MarketContext, spaces: Mapping[str, Space]) -> None:
    """Refuse a search with a parameter that changes no weight inside the window."""
    import numpy as np

    from pipeline.backtest.weighing import weights_of
    from pipeline.calendar.grid import to_time64
    from pipeline.optimization.effect import require_effect

    ts = market.read.panel.ts
    first, last = (int(np.searchsorted(ts, to_time64(t, "window"))) for t in market.window)

    def weights(points: Sequence[Point]) -> Iterator[Float2D]:
        params = [market.parameters(point) for point in points]
        context = market.context(params)
        return (weights_of(context, market.strategy, each)[first:last] for each in params)

    for block, space in spaces.items():
        require_effect(space, block, weights)


def _start_of(desk: Desk, experiment: Experiment, market: MarketContext) -> list[Point]:
    """Return the best points of the experiment that this one begins with, best first."""
    settings = experiment.evolutionary
    if settings is None or settings.seed_from_experiment is None:
        return []
    earlier = desk.warehouse.query("experiments", experiment=settings.seed_from_experiment)
    earlier = earlier.filter(earlier["strategy"] == market.strategy.name)
    if not earlier.height:
        raise ComponentNotFoundError(
            "there is no finished experiment to begin with",
            field="experiment.evolutionary.seed_from_experiment",
            value=settings.seed_from_experiment,
            constraint=f"the name of a finished experiment on {market.strategy.name}",
            fix="run it first, or set it to null; `bells optimize list` shows all",
        )
    rows = desk.warehouse.query("experiment_results", experiment_id=earlier["experiment_id"][0])
    best = rows.sort("rank")["params_json"].head(settings.seed_top_n)
    return [json.loads(text) for text in best]


def _search_hash(market: MarketContext, experiment: Experiment, start: list[Point]) -> str:
    """Return the hash of whatever decides which members run and what they give."""
    from pipeline.config.load import canonical_hash

    parts = {
        "experiment": experiment.model_dump(mode="json", exclude={"description", "results"}),
        "config": market.desk.loaded.config_hash,
        "data": market.data_hash,
        "code": market.code,
        "start": [dict(point) for point in start],
    }
    return canonical_hash(parts)


def _unfinished(desk: Desk, search_hash: str) -> str:
    """Return the id of the newest interrupted run of the same search.

    Raises
    ------
    ComponentNotFoundError
        When there is none.
    """
    kept = desk.warehouse.query("unfinished_experiments", search_hash=search_hash)
    if not kept.height:
        raise ComponentNotFoundError(
            "no interrupted run of this search is stored",
            field="--resume",
            constraint="the same experiment, settings, data and code",
            fix="run it without --resume; `bells optimize list` shows what was interrupted",
        )
    return str(kept["experiment_id"][0])


def _require_unfinished(desk: Desk, search: Search) -> None:
    """Refuse to go on with a search that somebody has finished since it was looked up."""
    kept = desk.warehouse.query("unfinished_experiments", search_hash=search.search_hash)
    if search.experiment_id not in kept["experiment_id"].to_list():
        raise ResourceError(
            "another process has just finished this search",
            field="--resume",
            value=search.experiment_id,
            constraint="one process at a time",
            fix="nothing is left to do: `bells optimize list` shows its answer",
        )
