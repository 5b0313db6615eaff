"""Read-only copies of the file, for people who want to look without holding up the desk."""

import os
import shutil
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import duckdb

# A process that has the file attached must not open it: closing that handle would drop DuckDB's lock on it.
_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


def directory(path: Path) -> Path:
    """Return the folder of the snapshots of the warehouse at ``path``."""
    return path.parent / "snapshots"


def publish(
    session: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
    path: Path,
    target: Path | None,
    now: datetime,
) -> Path:
    """Copy the file while no one can write it, and return the path of the copy.

    Parameters
    ----------
    session
        Opens a read session: readers go on, writers wait for the copy.
    path
        The warehouse.
    target
        By default ``snapshots/warehouse-<time>.duckdb`` beside it.  It appears whole or not at all.

    Raises
    ------
    ConfigError
        When the target is the warehouse, or a folder.
    ResourceError
        When the disk has no room, or the copy fails.
    """
    if target is None:
        target = directory(path) / f"warehouse-{now:%Y%m%dT%H%M%S%f}.duckdb"
    if target.is_dir() or target.resolve() == path.resolve():
        raise ConfigError(
            "a snapshot cannot go there",
            field="target",
            value=str(target),
            constraint="a file other than the warehouse",
            fix="name a new file",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            "the folder of the snapshot cannot be made",
            field="target",
            value=str(target),
            constraint=str(error.strerror),
            fix="name a folder that you may write to",
        ) from error
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with session():
            _room(path, target.parent)
            copied = subprocess.run(  # noqa: S603 - our interpreter, our program, no shell
                [sys.executable, "-I", "-S", "-c", _COPY, str(path), str(partial)],
                capture_output=True,
                text=True,
                check=False,
            )
        if copied.returncode != 0:
            raise ResourceError(
                "the snapshot could not be copied",
                field="target",
                value=str(target),
                constraint=(copied.stderr.strip().splitlines() or ["no message"])[-1],
                fix="see that the folder can be written",
            )
        partial.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _room(path: Path, folder: Path) -> None:
    needed, free = path.stat().st_size, shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            "the disk has no room for a snapshot",
            field=str(folder),
            value=free,
            constraint=f"{needed} bytes free",
            fix="remove old snapshots or name another folder",
        )
