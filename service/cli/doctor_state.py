"""State beside the warehouse: room on the disk, and the spool of urgent writes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pipeline.errors import DataError, ResourceError
from service.cli.doctor_findings import Examination, Problem
from service.cli.output import counted

if TYPE_CHECKING:
    from pathlib import Path

    from resources.desk import Desk

LEAST_FREE = 1 << 30
"""Bytes that must be free besides a copy of the warehouse (a snapshot, a checkpoint)."""


def examine_disk(desk: Desk) -> Examination:
    """See whether the disk has room for another copy of the warehouse and a gigabyte."""
    there = next(path for path in (desk.home.path, *desk.home.path.parents) if path.exists())
    usage = shutil.disk_usage(there)
    file = desk.warehouse.path
    needed = LEAST_FREE + (file.stat().st_size if file.exists() else 0)
    problems = []
    if usage.free < needed:
        problems.append(
            Problem(
                "disk",
                f"{usage.free:,} bytes are free, {needed:,} are needed",
                "remove old snapshots and artefacts, or move EIGHTBELLS_HOME",
                ResourceError.exit_code,
            )
        )
    facts = {"path": desk.home.path, "free_bytes": usage.free, "needed_bytes": needed}
    return Examination({"disk": facts}, tuple(problems))


def examine_spool(directory: Path) -> Examination:
    """Count urgent writes that wait, and damaged ones that a person has to look at; nothing is moved."""
    from warehouse.spool import ASIDE, SUFFIX

    waiting = sorted(directory.glob(f"*{SUFFIX}"))
    aside = sorted((directory / ASIDE).glob("*"))
    problems, warnings = [], []
    if aside:
        damaged = counted(len(aside), "damaged write was", "damaged writes were")
        what = f"{damaged} set aside in {directory / ASIDE}"
        problems.append(
            Problem("spool", what, "look at each by hand, then move it away", DataError.exit_code)
        )
    if waiting:
        what = counted(len(waiting), "urgent write waits", "urgent writes wait")
        warnings.append(Problem("spool", what, "run bells doctor --fix to drain it", 0))
    facts = {"path": directory, "pending": len(waiting), "aside": [str(path) for path in aside]}
    return Examination({"spool": facts}, tuple(problems), tuple(warnings))
