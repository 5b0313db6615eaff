"""The environment of the desk: Python, library versions against the lock, Dagster's home, numba's cache."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, ResourceError
from service.cli.doctor_findings import Examination, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from resources.home import Home

LEAST_PYTHON = (3, 11)
SHOWN = (
    "dagster",
    "dagster-duckdb",
    "dagster-webserver",
    "duckdb",
    "exchange-calendars",
    "matplotlib",
    "numba",
    "numpy",
    "plotly",
    "polars",
    "pyarrow",
    "pydantic",
    "scipy",
)
"""Libraries whose version can change a number or a table."""


def examine_environment(home: Home | None) -> Examination:
    """Compare what is installed with the lock, and see that the home can be made and written."""
    from resources.home import ROOT

    locked = locked_versions(ROOT / "requirements" / "run.lock")
    problems, warnings = [], []
    versions = {"python": platform.python_version(), "eightbells": _installed("eightbells")}
    if sys.version_info[:2] < LEAST_PYTHON:
        problems.append(
            Problem("python", "this Python is too old", "use 3.11 or newer", ConfigError.exit_code)
        )
    for name in SHOWN:
        found = versions[name] = _installed(name)
        wanted = locked.get(name)
        if found is None:
            problems.append(
                Problem("versions", f"{name} is not installed", "run make run once", ConfigError.exit_code)
            )
        elif wanted is not None and found != wanted:
            warnings.append(
                Problem("versions", f"{name} {found} is not the locked {wanted}", "run make run once", 0)
            )
    environment = {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "home": None if home is None else home.path,
        "dagster_home": None if home is None else home.dagster,
        "numba_cache": os.environ.get("NUMBA_CACHE_DIR"),
        "lock": bool(locked),
    }
    if home is not None:
        problems += _writable(home)
        warnings += _other_dagster(home)
    return Examination({"versions": versions, "environment": environment}, tuple(problems), tuple(warnings))


def locked_versions(lock: Path) -> dict[str, str]:
    """Return what a lock file pins for this Python and platform, by package; empty without the file."""
    if not lock.is_file():
        return {}
    from packaging.requirements import Requirement

    lines = (line.rstrip(" \\") for line in lock.read_text(encoding="utf-8").splitlines())
    pins = [Requirement(line) for line in lines if "==" in line and not line.startswith((" ", "#"))]
    ours = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in ours}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _writable(home: Home) -> list[Problem]:
    from pathlib import Path

    wanted = [home.path, *home.folders, Path(os.environ.get("NUMBA_CACHE_DIR", home.numba))]
    folders = [next(p for p in (folder, *folder.parents) if p.exists()) for folder in wanted]
    return [
        Problem(
            "environment",
            f"{folder} cannot be written",
            "give this user the right to write there, or name another EIGHTBELLS_HOME",
            ResourceError.exit_code,
        )
        for folder in dict.fromkeys(folders)
        if not os.access(folder, os.W_OK | os.X_OK)
    ]


def _other_dagster(home: Home) -> list[Problem]:
    named = os.environ.get("DAGSTER_HOME")
    if named is None or os.path.realpath(named) == os.path.realpath(home.dagster):
        return []
    return [
        Problem(
            "environment",
            f"DAGSTER_HOME is {named}, but bells run writes its runs to {home.dagster}",
            "unset DAGSTER_HOME, or start the UI with make ui",
            0,
        )
    ]
