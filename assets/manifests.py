"""Manifests of writes: what Dagster and the settings know about one, for the store to complete."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import TYPE_CHECKING

from resources.home import ROOT
from warehouse.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import dagster as dg

    from pipeline.config.load import Loaded
    from warehouse.manifest import Input
    from warehouse.table import Table

LIBRARIES = (
    "dagster",
    "duckdb",
    "exchange_calendars",
    "numba",
    "numpy",
    "polars",
    "pyarrow",
    "pymoo",
    "scipy",
)


@cache
def library_versions() -> Mapping[str, str]:
    """Return the installed versions of the libraries that can change a number."""
    from importlib.metadata import version

    return {name: version(name) for name in LIBRARIES}


CODE = ("pipeline", "warehouse", "resources", "assets")
"""Folders of the modules that a stored row can depend on."""


@cache
def code_version() -> str:
    """Return the commit of the checkout, else the version of the package.

    Where modules that a result can depend on differ from the commit, ``+dirty`` and the head of `code_text`
    follow: settings have a hash of their own, and two states of uncommitted code are two versions.
    """
    from importlib.metadata import version

    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=all", "--", *CODE)
        return f"{commit}+dirty.{code_text()[:8]}" if changed else commit
    except (OSError, subprocess.CalledProcessError):
        return f"eightbells {version('eightbells')}"


@cache
def code_text() -> str:
    """Return a hash of the text of every module that a stored row can depend on, committed or not."""
    from hashlib import sha256

    hasher = sha256()
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_bytes()
            hasher.update(f"{path.relative_to(ROOT).as_posix()} {len(text)}\n".encode() + text)
    return hasher.hexdigest()


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - constant arguments
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607 - whichever git the user has
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()


def manifest_for(
    asset: Table | str,
    settings: Loaded,
    started_at: datetime,
    *,
    context: dg.AssetExecutionContext | None = None,
    inputs: tuple[Input, ...] = (),
    seconds: float | None = None,
    dagster_run_id: str | None = None,
    code: str | None = None,
) -> Manifest:
    """Return the manifest of a write to ``asset`` (a table or the name of a command).

    ``code`` is the version of the code where it is not ours alone.
    """
    return Manifest(
        asset=asset if isinstance(asset, str) else "/".join(asset.asset_key),
        inputs=inputs,
        config_hash=settings.config_hash,
        code_version=code or code_version(),
        versions=library_versions(),
        started_at=started_at,
        seconds=seconds,
        dagster_run_id=context.run.run_id if context else dagster_run_id,
    )
