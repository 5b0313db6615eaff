"""One JSON-line file that several processes append to: whole lines only, rotated by size.

A line is one ``write`` on an ``O_APPEND`` descriptor under an ``flock`` of a side file, and so is a rotation.
Nothing stays open between lines, so nothing is shared across a fork.
"""

import errno
import fcntl
import os
import time
from pathlib import Path

LONGEST_LINE = 4096
"""Bytes of one line, newline included."""
_TRIES, _PAUSE_S = 4000, 0.0005


class LogFile:
    """Append-only lines with rotation: ``trades.jsonl``, ``trades.jsonl.1`` (newest old one), ...

    Parameters
    ----------
    path
        The file.
    rotate_bytes
        Size that a file does not exceed.
    keep
        How many old files stay.
    """

    def __init__(self, path: Path, *, rotate_bytes: int, keep: int) -> None:
        self.path = path
        self.rotate_bytes = rotate_bytes
        self.keep = keep

    def append(self, line: bytes) -> None:
        """Write one line, rotating first when it would not fit.

        Raises
        ------
        ValueError
            If the line is longer than `LONGEST_LINE`, or is not exactly one line.
        OSError
            If the file cannot be written, or only in part.
        """
        if len(line) > LONGEST_LINE or line.count(b"\n") != 1 or not line.endswith(b"\n"):
            raise ValueError(f"not one line of at most {LONGEST_LINE} bytes: {line[:80]!r}")
        guard = os.open(
            self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        try:
            self._lock(guard)
            if not self._fits(line):
                self._rotate()
            self._write(line)
        finally:
            os.close(guard)

    def _lock(self, guard: int) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            else:
                return
        raise BlockingIOError(
            errno.EWOULDBLOCK, f"locked by another process for {_TRIES * _PAUSE_S:g} s", str(self.path)
        )

    def _fits(self, line: bytes) -> bool:
        try:
            return self.path.stat().st_size + len(line) <= self.rotate_bytes
        except FileNotFoundError:
            return True

    def _write(self, line: bytes) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            written = os.write(file, line)
        finally:
            os.close(file)
        if written != len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")

    def _rotate(self) -> None:
        self._old(self.keep).unlink(missing_ok=True)
        for number in range(self.keep - 1, 0, -1):
            if self._old(number).exists():
                self._old(number).replace(self._old(number + 1))
        self.path.replace(self._old(1))

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
