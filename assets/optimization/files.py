"""The files of a search under ``artifacts/experiments/<id>``: report, pictures, every member as CSV."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from assets.backtest.population import Member
    from assets.optimization.evidence import Evidence
    from pipeline.config.experiment import Experiment
    from resources.desk import Desk

SHOWN = ("bps", "sharpe", "cagr", "max_drawdown", "win_rate", "turnover")
"""Numbers of a member in tables for people."""


def write_files(
    desk: Desk,
    experiment: Experiment,
    row: Mapping[str, Any],
    found: Evidence,
    members: Sequence[Member],
    folds: Sequence[Mapping[str, Any]],
) -> Path:
    """Write every file of a search and return their folder; a file appears whole or not at all."""
    from pipeline.optimization.report import report_html

    folder = desk.home.artifacts / "experiments" / row["experiment_id"]
    folder.mkdir(parents=True, exist_ok=True)
    pictures = pictures_of(experiment, row, found, members)
    ordered = sorted(members, key=lambda member: found.ranks[member.number])
    report = report_html(
        row,
        run=found.run,
        asked=found.robustness,
        top=[shown_member(each, found) for each in ordered[: experiment.optimization.save_top_n]],
        folds=folds,
        pictures=pictures,
    )
    files: dict[str, bytes] = {
        "report.html": report.encode(),
        **{f"{name}.png": png for name, png in pictures.items()},
        "result.json": (json.dumps(dict(row), indent=1, default=str, allow_nan=False) + "\n").encode(),
    }
    if experiment.results.summary_csv:
        files["summary.csv"] = members_csv(members, found)
    if experiment.results.pareto_csv and experiment.method == "pareto":
        files["pareto.csv"] = members_csv([m for m in members if m.number in found.front], found)
    if experiment.results.track_generations:
        files["generations.csv"] = generations_csv(members)
    for name, content in files.items():
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_bytes(content)
        draft.replace(folder / name)
    return folder


def shown_member(member: Member, found: Evidence) -> dict[str, Any]:
    """Return what a table of the best members says of one."""
    numbers = {name: member.metrics[name] for name in SHOWN}
    return {"rank": found.ranks[member.number], **found.points[member.number], **numbers}


def pictures_of(
    experiment: Experiment, row: Mapping[str, Any], found: Evidence, members: Sequence[Member]
) -> dict[str, bytes]:
    """Return the pictures of a search by name."""
    import numpy as np

    from pipeline.calendar.grid import CELL64
    from pipeline.optimization.goals import FIELDS
    from pipeline.optimization.pictures import generations_picture, paths_picture, stability_picture

    metric = experiment.optimization.metric
    values = [member.metrics[FIELDS[metric]] for member in members]
    scores = np.array([np.nan if value is None else value for value in values])
    ranked = scores if experiment.optimization.maximize else -scores
    title, simulated = str(row["experiment"]), bool(row["simulated"])
    run = found.run.simulation
    curves = {"best member, in sample": (run.ts + CELL64, run.nav)}
    if found.path is not None:
        curves["walk-forward"] = (found.path.ts + CELL64, found.path.nav)
    curves["buy-and-hold"] = (found.benchmark.ts + CELL64, found.benchmark.nav)
    points, stages = [found.points[m.number] for m in members], [m.stage for m in members]
    return {
        "stability": stability_picture(
            points, ranked, metric, f"{title}: stability map", simulated=simulated
        ),
        "generations": generations_picture(
            stages, ranked, metric, f"{title}: {metric} by stage", simulated=simulated
        ),
        "paths": paths_picture(curves, f"{title}: out of sample", simulated=simulated),
    }


def members_csv(members: Sequence[Member], found: Evidence) -> bytes:
    """Return members as CSV, the best first; what is unknown is empty."""
    import polars as pl

    rows = [
        {"rank": found.ranks[member.number], "member": member.number, "stage": member.stage}
        | dict(found.points[member.number])
        | dict(member.metrics)
        | {"digest": member.digest}
        for member in members
    ]
    return pl.DataFrame(rows, infer_schema_length=None, strict=False).sort("rank").write_csv().encode()


def generations_csv(members: Sequence[Member]) -> bytes:
    """Return best, mean and worst balanced score of each stage, in the order of the stages."""
    import polars as pl

    frame = pl.DataFrame(
        [{"stage": m.stage, "bps": m.metrics["bps"]} for m in members],
        schema={"stage": pl.String, "bps": pl.Float64},
    )
    bps = pl.col("bps")
    stages = frame.group_by("stage", maintain_order=True).agg(
        pl.len().alias("members"), best=bps.max(), mean=bps.mean(), worst=bps.min()
    )
    return stages.write_csv().encode()
