"""Who holds a file: the processes that lock it or have it open, and the error that names them.

Read from ``/proc`` only, never by opening the file itself: in a process that has the warehouse attached,
closing a second handle of it would drop DuckDB's lock.  Where there is no ``/proc`` nobody is named.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import WarehouseBusyError

PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process that holds a file.

    Attributes
    ----------
    pid
        Process id, as this process sees it.
    command
        Its command line, cut at 80 characters; empty when it may not be read.
    locked
        True when the kernel records a lock, False when the file is merely open.
    """

    pid: int
    command: str
    locked: bool

    def __str__(self) -> str:
        return f"PID {self.pid}" + (f" ({self.command})" if self.command else "")


def command_of(pid: int, *, proc: Path = PROC) -> str:
    """Return the command line of a process, cut at 80 characters, or an empty string."""
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:  # it ended, or belongs to somebody else
        return ""
    return " ".join(raw.decode(errors="replace").replace("\0", " ").split())[:80]


def _has_open(pid: int, identity: tuple[int, int], proc: Path) -> bool:
    try:
        for entry in os.scandir(proc / str(pid) / "fd"):
            try:
                seen = entry.stat()
            except OSError:  # closed while we looked
                continue
            if (seen.st_dev, seen.st_ino) == identity:
                return True
    except OSError:  # it ended, or belongs to somebody else
        return False
    return False


def _lockers(identity: tuple[int, int], proc: Path) -> list[int]:
    """PIDs in ``/proc/locks`` with a granted lock on the file of that (device, inode)."""
    try:
        lines = (proc / "locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    device, inode = identity
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or fields[1] == "->":  # noqa: PLR2004 - a waiter, or not a lock line
            continue
        pid, (major, minor, number) = int(fields[4]), fields[5].split(":")
        if pid <= 0 or int(number) != inode:
            continue
        same_device = (int(major, 16), int(minor, 16)) == (os.major(device), os.minor(device))
        if same_device or _has_open(pid, identity, proc):  # overlay file systems report another device
            found.append(pid)
    return found


def holders(path: Path, *, proc: Path = PROC) -> tuple[Holder, ...]:
    """Return the processes that hold ``path``: those with a lock if there are any, else those with it open.

    Parameters
    ----------
    path
        Any file.  It is never opened.
    proc
        Where the process file system is mounted.

    Returns
    -------
    tuple of Holder
        Ordered by PID, this process included; empty when nobody holds it or nobody can be seen.
    """
    try:
        status = path.stat()
    except OSError:
        return ()
    identity = (status.st_dev, status.st_ino)
    locking = _lockers(identity, proc)
    if locking:
        return tuple(Holder(pid, command_of(pid, proc=proc), locked=True) for pid in sorted(set(locking)))
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())  # noqa: PTH208 - names are what is wanted
    except OSError:
        return ()
    opened = [pid for pid in pids if _has_open(pid, identity, proc)]
    return tuple(Holder(pid, command_of(pid, proc=proc), locked=False) for pid in opened)


def holders_of(side_file: Path) -> tuple[Holder, ...]:
    """Return who holds one of our side files: by the kernel's list, else the PID that a writer left in it."""
    named = holders(side_file)
    if named:
        return named
    try:
        left = side_file.read_bytes()
    except OSError:
        return ()
    pid = int(left) if left.strip().isdigit() else 0
    return (Holder(pid, command_of(pid), locked=True),) if pid else ()


def busy(path: Path, found: tuple[Holder, ...], *, detail: str | None = None) -> WarehouseBusyError:
    """Build the error that names who holds the warehouse."""
    names = ", ".join(str(holder) for holder in found[:4])
    pids = " ".join(str(holder.pid) for holder in found[:4])
    return WarehouseBusyError(
        f"the warehouse stayed busy, held by {names}" if names else "the warehouse stayed busy",
        field="warehouse",
        value=str(path),
        constraint=detail or "one process writes or many read, each for less than 0.5 s",
        fix=f"let it finish, or close it (kill {pids}), and repeat" if pids else "repeat, or wait longer",
    )
