"""The files of a search under ``artifacts/experiments/<id>``: report, pictures, every member as CSV."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from assets.optimization_evidence import Evidence
    from assets.trial_population import Member
    from pipeline.config.experiment import Experiment
    from resources.desk import Desk


def write_files(
    desk: Desk,
    experiment: Experiment,
    row: Mapping[str, Any],
    found: Evidence,
    members: Sequence[Member],
) -> Path:
    """Write every file of a search and return their folder; a file appears whole or not at all."""
    folder = desk.home.artifacts / "experiments" / row["experiment_id"]
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {
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


def members_csv(members: Sequence[Member], found: Evidence) -> bytes:
    """Return members as CSV, the best first; what is unknown is empty."""
    import polars as pl

    rows = [
        {"rank": found.ranks[member.number], "member": member.number, "stage": member.stage}
        | dict(member.params)
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
