"""One JSON-line file that several processes append to: whole lines only, rotated by size.

A line is one ``write`` on an ``O_APPEND`` descriptor under a shared ``flock`` of a side file; rotation takes
the side file exclusively.  Nothing stays open between lines, so nothing is shared across a fork.
"""

import fcntl
import os
from pathlib import Path

LONGEST_LINE = 4096
"""Bytes of one line, newline included."""


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
            fcntl.flock(guard, fcntl.LOCK_SH)
            if not self._fits(line):
                fcntl.flock(guard, fcntl.LOCK_EX)
                if not self._fits(line):  # another process may have rotated while this one waited
                    self._rotate()
            self._write(line)
        finally:
            os.close(guard)

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
