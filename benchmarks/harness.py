"""Measure a call of ours beside peers that live in an environment of their own, in one run.

The peer answers from a worker process that holds its inputs ready, so both sides time only the call itself.
Rounds alternate the order (ours first, then the peer first), after warm-ups; the figure is the median and the
ratio is the median of the ratios round by round, which holds when the speed of the machine drifts.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline.errors import DependencyMissingError, ResourceError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

Arrays = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Row:
    """One line of ``var/bench/results.json``; ``ratio`` is peer / ours."""

    job: str
    ours_s: float
    peer: str | None
    peer_s: float | None
    ratio: float | None
    unit: str
    n: int
    machine: str
    workers: int
    notes: str


@dataclass(frozen=True)
class Job:
    """What is measured.

    Parameters
    ----------
    name
        Key of the job.
    unit
        What ``n`` counts.
    n
        How many units one call handles.
    workload
        ``seed -> arrays``, the inputs of both sides.
    ours
        ``arrays -> call``; the call is what the product calls.
    peers
        Names of modules under ``benchmarks/peers`` with ``prepare(arrays) -> call``.
    check
        ``(our answer, peer's answer) -> note``; raises when they differ by more than the job allows.
    rounds, warmups
        Counted and uncounted rounds.
    """

    name: str
    unit: str
    n: int
    workload: Callable[[int], Arrays]
    ours: Callable[[Arrays], Callable[[], Any]]
    peers: tuple[str, ...] = ()
    check: Callable[[Any, Arrays], str] | None = None
    rounds: int = 15
    warmups: int = 3
    notes: str = ""
    more: Callable[[Arrays], list[Row]] | None = field(default=None)


def machine() -> str:
    """Describe the machine in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


class PeerWorker:
    """A peer in its own interpreter: ``seconds()`` runs it once, ``answer()`` returns what it computed."""

    def __init__(self, module: str, data: Arrays) -> None:
        import numpy as np

        if not PEER_PYTHON.exists():
            raise DependencyMissingError(
                "the peers' environment is missing", field=".venv-peers", fix="run it through `make bench`"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="peer-")
        inputs = Path(self._folder.name, "inputs.npz")
        np.savez(inputs, allow_pickle=False, **dict(data))
        self._process = subprocess.Popen(
            [str(PEER_PYTHON), str(ROOT / "benchmarks" / "peer_worker.py"), module, str(inputs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
        )
        self.version = self._ask("version")["version"]

    def _ask(self, command: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ResourceError("the peer's pipes are closed")
        stdin.write(command + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise ResourceError("the peer's process ended", value=self._process.wait())
        return json.loads(line)

    def seconds(self) -> float:
        """Run the peer once and return the wall seconds it measured itself."""
        return float(self._ask("run")["seconds"])

    def answer(self) -> dict[str, np.ndarray]:
        """Return the arrays of the peer's last run."""
        import numpy as np

        with np.load(self._ask("answer")["path"]) as arrays:
            return dict(arrays)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        self._folder.cleanup()


def timed(call: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(job: Job, *, seed: int = 8, rounds: int | None = None) -> list[Row]:
    """Run ``job`` beside each of its peers and return one row a peer (one row without peers)."""
    data = job.workload(seed)
    call = job.ours(data)
    counted = rounds or job.rounds
    for _ in range(job.warmups):
        call()
    rows = [_beside(job, data, call, peer, counted) for peer in job.peers]
    if not job.peers:
        ours = statistics.median(timed(call) for _ in range(counted))
        rows.append(Row(job.name, ours, None, None, None, job.unit, job.n, machine(), 1, job.notes))
    return rows + (job.more(data) if job.more else [])


def _beside(job: Job, data: Arrays, call: Callable[[], Any], peer: str, rounds: int) -> Row:
    with PeerWorker(peer, data) as worker:
        for _ in range(job.warmups):
            worker.seconds()
        ours, theirs = [], []
        for number in range(rounds):
            if number % 2:
                theirs.append(worker.seconds())
                ours.append(timed(call))
            else:
                ours.append(timed(call))
                theirs.append(worker.seconds())
        note = job.check(call(), worker.answer()) if job.check else ""
        version = worker.version
    return Row(
        job=job.name,
        ours_s=statistics.median(ours),
        peer=version,
        peer_s=statistics.median(theirs),
        ratio=statistics.median(b / a for a, b in zip(ours, theirs, strict=True)),
        unit=job.unit,
        n=job.n,
        machine=machine(),
        workers=1,
        notes="; ".join(part for part in (job.notes, note) if part),
    )
