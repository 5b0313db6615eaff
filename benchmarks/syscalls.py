"""Every change that a process makes to the files of one folder, in order, as the kernel was asked for it.

Plain Python over ptrace (Linux, x86-64 or 64-bit ARM): the process and its threads stop at each system call.
What is recorded can be played back onto copies up to any point: that is what a SIGKILL there leaves behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4096
"""The kernel looks for SIGKILL between the pages of one write; within a page it copies to the end."""

Files = dict[str, bytearray]
"""The folder: name to contents."""

CALLS = {
    "x86_64": {
        1: "write", 2: "open", 18: "pwrite", 20: "writev", 40: "sendfile", 76: "truncate", 77: "ftruncate",
        82: "rename", 87: "unlink", 257: "openat", 263: "unlinkat", 264: "renameat", 285: "fallocate",
        296: "pwritev", 316: "renameat2", 326: "copy_file_range",
    },
    "aarch64": {
        35: "unlinkat", 38: "renameat", 45: "truncate", 46: "ftruncate", 47: "fallocate", 56: "openat",
        64: "write", 66: "writev", 68: "pwrite", 70: "pwritev", 71: "sendfile", 276: "renameat2",
        285: "copy_file_range",
    },
}  # fmt: skip
UNREAD = {"writev", "pwritev", "fallocate", "truncate", "sendfile", "copy_file_range"}
"""They change files too; nothing here uses them on the folder, and the recorder refuses if something does."""

_CONT_SYSCALL, _SEIZE, _INTERRUPT, _SYSCALL_INFO = 24, 0x4206, 0x4207, 0x420E
_OPTIONS = 0x1 | 0x8 | 0x100000  # mark system-call stops, follow new threads, die with the tracer
_STOP_EVENT, _ENTRY, _EXIT = 128, 1, 2
_WALL = 0x40000000
_SYSCALL_TRAP = signal.SIGTRAP | 0x80

_libc = ctypes.CDLL(None, use_errno=True)


class _Info(ctypes.Structure):
    """``struct ptrace_syscall_info``; ``numbers`` is call and arguments at entry, the result at exit."""

    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("numbers", ctypes.c_uint64 * 8),
    ]


@dataclass(frozen=True)
class Change:
    """One change: ``write`` at ``offset``, ``cut`` to ``offset`` bytes, ``make``, ``remove`` or ``move``."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""
    target: str = ""

    def apply(self, files: Files, *, upto: int | None = None) -> None:
        """Do it to ``files``; of a write only the first ``upto`` bytes where given."""
        if self.kind == "remove":
            files.pop(self.name, None)
        elif self.kind == "move":
            files[self.target] = files.pop(self.name)
        elif self.kind == "make":
            files.setdefault(self.name, bytearray())
        else:
            held = files.setdefault(self.name, bytearray())
            held.extend(bytes(max(0, self.offset - len(held))))
            if self.kind == "cut":
                del held[self.offset :]
            else:
                data = self.data[:upto]
                held[self.offset : self.offset + len(data)] = data

    def cuts(self, files: Files) -> list[int]:
        """Return after how many bytes a kill can stop this write with a different outcome each time."""
        if self.kind != "write":
            return []
        held, found = files.get(self.name, bytearray()), []
        at = PAGE - self.offset % PAGE
        done = 0
        while at < len(self.data):
            if held[self.offset + done : self.offset + at] != self.data[done:at]:
                found.append(at)
            done, at = at, at + PAGE
        return found


class Recorder:
    """Stops a process at its system calls and notes those that change files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._calls = CALLS[platform.machine()]
        self._pending: dict[int, Callable[[int], Change | None]] = {}
        self.changes: list[Change] = []

    def follow(self, pid: int, go: Callable[[], None]) -> None:
        """Seize every thread of ``pid``, call ``go`` to let it work, record until it has ended."""
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names are what is wanted
            _ptrace(_SEIZE, int(task), 0, _OPTIONS)
            _ptrace(_INTERRUPT, int(task), 0, 0)
        went = False
        while True:
            task, status = os.waitpid(-1, _WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                if task == pid:
                    if status:
                        raise SystemExit(f"the recorded process ended with status {status}")
                    return
                continue
            number, event = os.WSTOPSIG(status), status >> 16
            if number == _SYSCALL_TRAP:
                self._at_call(task)
            _resume(task, 0 if number == _SYSCALL_TRAP or event else number)
            if not went:
                went = True
                go()

    def _at_call(self, task: int) -> None:
        info = _Info()
        _ptrace(_SYSCALL_INFO, task, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == _ENTRY:
            name = self._calls.get(info.numbers[0])
            made = self._entry(task, name, list(info.numbers[1:7])) if name else None
            if made:
                self._pending[task] = made
        elif info.op == _EXIT:
            ended = self._pending.pop(task, None)
            result = ctypes.c_int64(info.numbers[0]).value
            change = ended(result) if ended and result >= 0 else None
            if change:
                self.changes.append(change)

    def _entry(self, task: int, call: str, arguments: list[int]) -> Callable[[int], Change | None] | None:
        """Read at entry what the call will do; return what makes a change of its result."""
        if call in {"open", "openat", "unlink", "unlinkat", "rename", "renameat", "renameat2"}:
            return self._by_name(task, call, arguments)
        name = None if call == "truncate" else self._inside(_link(task, ctypes.c_int(arguments[0]).value))
        if name is None:
            return None
        if call in UNREAD:
            raise SystemExit(f"{call} on {name}: the recorder cannot read that")
        if call == "ftruncate":
            return lambda _: Change("cut", name, arguments[1])
        data = _memory(task, arguments[1], arguments[2])
        offset = arguments[3] if call == "pwrite" else _position(task, arguments[0])
        return lambda result: Change("write", name, offset, data[:result])

    def _by_name(self, task: int, call: str, arguments: list[int]) -> Callable[[int], Change | None] | None:
        paths = arguments[1::2] if call.endswith(("at", "at2")) else arguments
        name = self._inside(_text(task, paths[0]))
        if call.startswith("rename"):
            target = self._inside(_text(task, paths[1]))
            if (name is None) != (target is None):
                raise SystemExit(f"a file moves into the folder or out of it: {name} {target}")
            return (lambda _: Change("move", name, target=target)) if name and target else None
        if name is None:
            return None
        if call.startswith("unlink"):
            return lambda _: Change("remove", name)
        flags = arguments[2] if call == "openat" else arguments[1]
        if flags & os.O_TRUNC:
            return lambda _: Change("cut", name)
        return (lambda _: Change("make", name)) if flags & os.O_CREAT else None

    def _inside(self, path: str) -> str | None:
        parent, _, name = path.rpartition("/")
        return name if parent == str(self._folder) else None


def _ptrace(request: int, task: int, address: int, data: int) -> None:
    if _libc.ptrace(request, task, ctypes.c_void_p(address), ctypes.c_void_p(data)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace: {os.strerror(number)}")


def _resume(task: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # killed while it was stopped
        _ptrace(_CONT_SYSCALL, task, 0, number)


def _memory(task: int, address: int, size: int) -> bytes:
    with Path(f"/proc/{task}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _text(task: int, address: int) -> str:
    """Read a string of the process; it must not be read past the page where it ends."""
    found = b""
    while b"\0" not in found:
        found += _memory(task, address + len(found), PAGE - (address + len(found)) % PAGE)
    return os.fsdecode(found.partition(b"\0")[0])


def _link(task: int, descriptor: int) -> str:
    try:
        return str(Path(f"/proc/{task}/fd/{descriptor}").readlink())
    except OSError:  # not an open descriptor: the call will fail
        return ""


def _position(task: int, descriptor: int) -> int:
    """Return where a plain write goes: the end of the file under O_APPEND, else the descriptor's place."""
    about = Path(f"/proc/{task}/fdinfo/{descriptor}").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in about if ":\t" in line)
    if int(fields["flags"], 8) & os.O_APPEND:
        return os.stat(f"/proc/{task}/fd/{descriptor}").st_size  # noqa: PTH116 - through the descriptor
    return int(fields["pos"])
