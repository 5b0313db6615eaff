"""Runs whose process died: they are ended in Dagster's books and their places in pools given back.

A killed process cannot say that it is gone.  Dagster's daemon finds out only while it runs, and only for runs
that it launched; a run of the command line would hold its place in a pool for ever.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance

PROCESS_TAG = "bells/process"
"""Tag of a run of the command line: ``PID:START`` of its process."""


def this_process() -> str:
    """Return what names this process among all that bore or will bear its number."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_alive(process: str) -> bool:
    """Tell whether the process of a tag still lives."""
    pid, _, started = process.partition(":")
    return pid.isdigit() and _started(int(pid)) == started != ""


def end_dead_runs(instance: DagsterInstance) -> list[str]:
    """End every run of the command line whose process is gone, free its places, and return the ids.

    Places of runs that ended in any other way are freed as well.
    """
    from dagster import DagsterRunStatus, RunsFilter

    going_on = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=going_on)):
        process = run.tags.get(PROCESS_TAG)
        if process is not None and not is_alive(process):
            instance.report_run_failed(run, f"its process {process.partition(':')[0]} died before it ended")
            ended.append(run.run_id)
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids():
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
    return ended


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's own words; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if Path("/proc/self").exists() else _started_elsewhere(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _started_elsewhere(pid: int) -> str:
    """Return something for a living process where the kernel has no /proc: its start time is not known."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "alive"
    return "alive"
