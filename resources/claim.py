"""A name that one process at a time may hold; whoever is killed holds nothing any more.

One small file for each name, locked for as long as the context lasts and removed afterwards.  Nobody waits.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import ResourceError


@contextmanager
def claim(path: Path, what: str, fix: str) -> Generator[None]:
    """Hold the name ``path`` until the context is left.

    Parameters
    ----------
    path
        The file; its folder is made where it is missing, and taken away again when nothing else is in it.
    what
        What is held, for the sentence that refuses somebody else.
    fix
        What somebody else can do.

    Raises
    ------
    ResourceError
        When another process, or this one, holds it; with the PID of the holder.
    """
    held = _locked(path)
    if held is None:
        raise ResourceError(
            f"another process is at {what}",
            field=str(path),
            value=f"PID {_holder(path)}",
            constraint="one process at a time",
            fix=fix,
        )
    try:
        os.write(held, f"{os.getpid()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)
        with suppress(OSError):  # other files are in it
            path.parent.rmdir()


def _locked(path: Path) -> int | None:
    """Return the open and locked file, None where another open file has the lock."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:  # whoever held it has just taken the folder away
            continue
        except OSError as error:
            raise ResourceError(
                "the file of a claim cannot be made",
                field=str(path),
                constraint=error.strerror,
                fix="give this user write access to the folder, or move EIGHTBELLS_HOME",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        if os.fstat(file).st_nlink:
            os.ftruncate(file, 0)
            return file
        os.close(file)  # it was removed between opening and locking: the name is another file by now


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:  # it has ended meanwhile
        return "unknown"
