"""The files of a run under ``artifacts/runs/<run_id>``: report, pictures, metrics, manifest and log."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.backtest.result import BacktestResult
    from pipeline.backtest.robustness import Robustness
    from resources.desk import Desk
    from warehouse.manifest import Manifest


def write_artifacts(
    desk: Desk,
    result: BacktestResult,
    row: Mapping[str, Any],
    manifest: Manifest,
    robustness: Robustness | None = None,
) -> Path:
    """Write every file of a run and return their folder; a file appears whole or not at all.

    ``report.html`` opens offline, ``equity.png`` and ``monthly.png`` are what the UI shows, ``metrics.json``
    holds the numbers, ``run_meta.json`` what was read with which configuration and code, ``run.log`` the run
    in one line of each stream.
    """
    from pipeline.backtest.pictures import equity_picture, monthly_picture
    from pipeline.backtest.report import report_html

    folder = desk.home.artifacts / "runs" / row["run_id"]
    folder.mkdir(parents=True, exist_ok=True)
    meta = {
        "row": row,
        "flags": [dataclasses.asdict(flag) for flag in result.flags],
        "parameters": result.parameters,
        "inputs": [item.to_dict() for item in manifest.inputs],
        "versions": dict(manifest.versions),
        "settings": desk.loaded.as_dict(),
        "origin": desk.loaded.origin,
        "dagster_run_id": manifest.dagster_run_id,
    }
    files = {
        "report.html": report_html(result, row, robustness).encode(),
        "equity.png": equity_picture(result),
        "monthly.png": monthly_picture(result),
        "metrics.json": _json(dataclasses.asdict(result.metrics)),
        "run_meta.json": _json(meta),
        "run.log": _log(result, row),
    }
    for name, content in files.items():
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_bytes(content)
        draft.replace(folder / name)
    return folder


def _log(result: BacktestResult, row: Mapping[str, Any]) -> bytes:
    """Return the run as JSON lines: how it began, every flag, how it ended."""
    began = {
        "event": "started",
        "at": row["started_at"],
        "strategy": row["strategy"],
        "source": row["source"],
    }
    flags = [{"event": "flag", "name": flag.name, "text": flag.text} for flag in result.flags]
    ended = {"event": "finished", **{name: row[name] for name in ("seconds", "trades", "digest")}}
    named = {"trace_id": row["run_id"]}
    lines = [json.dumps({**line, **named}, default=str) for line in (began, *flags, ended)]
    return ("\n".join(lines) + "\n").encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, default=str, allow_nan=False) + "\n").encode()
