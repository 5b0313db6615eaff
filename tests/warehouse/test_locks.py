"""Side-file locks: exclusion, order of arrival, the urgent lane, deadlines, and what death leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, WarehouseBusyError
from warehouse import foreign
from warehouse import locks as locks_module
from warehouse.locks import Locks, TicketQueue

ROOT = Path(__file__).parents[2]
LONG = 20.0

HOLD_UNTIL_TOLD = """
import sys, time
from pathlib import Path
from warehouse.locks import Locks
with Locks(Path(sys.argv[1]), tickets=sys.argv[3] == "True").hold(
    exclusive=sys.argv[2] == "write", urgent=False, deadline=time.monotonic() + 20
):
    print("in", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=[True, False], ids=["tickets", "turnstile"])
def locks(request, tmp_path):
    return Locks(tmp_path / "w.duckdb", tickets=request.param)


@pytest.fixture
def fair(tmp_path):
    return Locks(tmp_path / "w.duckdb", tickets=True)


def hold(locks, mode="write", *, urgent=False, wait=LONG):
    return locks.hold(exclusive=mode == "write", urgent=urgent, deadline=time.monotonic() + wait)


def refused(locks, mode="write", *, urgent=False, wait=0.05) -> bool:
    try:
        with hold(locks, mode, urgent=urgent, wait=wait):
            return False
    except WarehouseBusyError:
        return True


class Session(threading.Thread):
    """A session in a thread of its own that notes when it got in."""

    def __init__(self, locks, entered, name, mode="write", *, urgent=False, keep=0.0):
        super().__init__(name=name, daemon=True)
        self.locks, self.entered, self.mode, self.urgent, self.keep = locks, entered, mode, urgent, keep
        self.start()
        time.sleep(0.03)  # long enough to stand in the queue before the next one comes

    def run(self):
        with hold(self.locks, self.mode, urgent=self.urgent):
            self.entered.append(self.name)
            time.sleep(self.keep)


def start_process(locks, mode="write"):
    """Start a process that waits for the lock, says "in" and keeps it until told."""
    kind = str(isinstance(locks.gate, TicketQueue))
    return subprocess.Popen(
        [sys.executable, "-c", HOLD_UNTIL_TOLD, str(locks.path), mode, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@contextmanager
def another_process(locks, mode="write"):
    child = start_process(locks, mode)
    try:
        assert child.stdout.readline() == "in\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_writer_is_alone(locks):
    with hold(locks, "write"):
        assert refused(locks, "write")
        assert refused(locks, "read")
        assert refused(locks, "write", urgent=True)
    assert not refused(locks, "write")


def test_readers_share_and_keep_writers_out(locks):
    with hold(locks, "read"), hold(locks, "read"):
        assert not refused(locks, "read")
        assert refused(locks, "write")
    assert not refused(locks, "write")


def test_sessions_are_served_in_order_of_arrival(fair):
    entered: list[str] = []
    with hold(fair, "write"):
        waiting = [Session(fair, entered, str(i), "read" if i % 3 == 0 else "write") for i in range(8)]
        assert entered == []
    for session in waiting:
        session.join(LONG)
    assert entered == [str(i) for i in range(8)]


def test_a_waiting_writer_keeps_later_readers_out(locks):
    entered: list[str] = []
    with hold(locks, "read"):
        writer = Session(locks, entered, "writer")
        assert refused(locks, "read", wait=0.1)
    writer.join(LONG)
    assert entered == ["writer"]


def test_an_urgent_session_passes_everybody_who_waits(locks):
    entered: list[str] = []
    with hold(locks, "write"):
        waiting = [Session(locks, entered, f"ordinary {i}", keep=0.01) for i in range(3)]
        waiting.append(Session(locks, entered, "urgent", urgent=True, keep=0.01))
    for session in waiting:
        session.join(LONG)
    assert entered[0] == "urgent"
    assert len(entered) == 4


def under_constant_urgent_traffic(locks, wait):
    """Whether an ordinary session gets in while the urgent queue is never empty."""
    stop, begun = threading.Event(), threading.Event()

    def relay():
        with ExitStack() as standing:
            while not stop.is_set():
                following = ExitStack()
                following.enter_context(locks.urgent.stand(time.monotonic() + LONG))
                begun.set()
                time.sleep(0.01)
                standing.close()
                standing.enter_context(following)

    traffic = threading.Thread(target=relay, daemon=True)
    traffic.start()
    begun.wait(LONG)
    try:
        return not refused(locks, "read", wait=wait)
    finally:
        stop.set()
        traffic.join(LONG)


def test_constant_urgent_traffic_delays_an_ordinary_session_but_not_for_ever(fair, monkeypatch):
    monkeypatch.setattr(locks_module, "PATIENCE_S", 0.2)
    assert under_constant_urgent_traffic(fair, wait=2.0)


def test_without_patience_running_out_it_would_starve(fair, monkeypatch):
    monkeypatch.setattr(locks_module, "PATIENCE_S", 1e9)
    assert not under_constant_urgent_traffic(fair, wait=0.6)


@pytest.mark.parametrize("urgent", [False, True])
def test_every_wait_ends_at_its_deadline(locks, urgent):
    entered: list[str] = []
    with hold(locks, "write"):
        waiting = Session(locks, entered, "first in the queue", urgent=urgent)
        begun = time.monotonic()
        assert refused(locks, "write", urgent=False, wait=0.2)
        assert 0.2 <= time.monotonic() - begun < 1.0
    waiting.join(LONG)


def test_a_wait_of_nothing_still_tries_once(locks):
    assert not refused(locks, "write", wait=0.0)


@pytest.mark.parametrize("mode", ["write", "read"])
def test_the_error_names_the_process_that_holds_the_lock(locks, mode):
    with (
        another_process(locks, mode) as child,
        pytest.raises(WarehouseBusyError) as busy,
        hold(locks, "write", wait=0.1),
    ):
        pass
    assert f"PID {child.pid}" in str(busy.value)
    assert str(child.pid) in busy.value.fix
    assert busy.value.exit_code == 4


def test_a_writer_leaves_its_pid_while_it_is_in_and_one_that_gives_up_does_not_wipe_it(locks):
    with hold(locks, "write"):
        assert refused(locks, "write")
        assert locks.lock_path.read_text().strip() == str(os.getpid())
    assert locks.lock_path.read_text() == ""


def test_where_the_kernel_names_nobody_the_pid_in_the_lock_file_does(locks, monkeypatch):
    monkeypatch.setattr(foreign, "holders", lambda path: ())
    with (
        hold(locks, "write"),
        pytest.raises(WarehouseBusyError, match=f"PID {os.getpid()}"),
        hold(locks, wait=0),
    ):
        pass


def test_a_killed_process_leaves_no_lock_and_no_place_in_the_queue(locks):
    with another_process(locks) as holder:
        queued = start_process(locks)
        wait_until(lambda: gate_is_taken(locks))
        queued.kill()
        queued.communicate()
        holder.kill()
        holder.wait()
        assert not refused(locks, "write", wait=1.0)


def gate_is_taken(locks) -> bool:
    with locks.gate.occupied() as taken:
        return taken()


def wait_until(true, limit=LONG):
    over = time.monotonic() + limit
    while not true():
        assert time.monotonic() < over, "it never came true"
        time.sleep(0.01)


def test_a_stopped_process_at_the_head_of_the_queue_delays_others_no_longer_than_they_would_wait(locks):
    with hold(locks, "read"):
        stopped = start_process(locks)
        try:
            wait_until(lambda: gate_is_taken(locks))
            stopped.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            assert refused(locks, "read", wait=0.2)
            assert time.monotonic() - begun < 1.0
        finally:
            stopped.kill()
            stopped.communicate()
    assert not refused(locks, "write", wait=1.0)


FORK_WHILE_HOLDING = """
import os, sys, time
from pathlib import Path
from pipeline.errors import WarehouseBusyError
from warehouse.locks import Locks

locks = Locks(Path(sys.argv[1]), tickets=sys.argv[2] == "True")
def hold(wait):
    return locks.hold(exclusive=True, urgent=False, deadline=time.monotonic() + wait)
def refused():
    try:
        with hold(0.1):
            return False
    except WarehouseBusyError:
        return True
read_end, write_end = os.pipe()
holding = hold(5)
holding.__enter__()
child = os.fork()
if child == 0:
    holding.__exit__(None, None, None)  # leaves the block that it was born in
    os.write(write_end, b"1")
    time.sleep(30)
    os._exit(0)
os.read(read_end, 1)
print("still held by the parent:", refused())
holding.__exit__(None, None, None)
print("free although the child lives:", not refused())
os.kill(child, 9)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("tickets", [True, False])
def test_a_fork_inside_a_session_neither_releases_nor_keeps_the_lock(tmp_path, tickets):
    run = subprocess.run(
        [sys.executable, "-c", FORK_WHILE_HOLDING, str(tmp_path / "w.duckdb"), str(tickets)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert run.stdout == "still held by the parent: True\nfree although the child lives: True\n"


def test_no_descriptor_leaks(locks):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with hold(locks, "read"):
            pass
        with hold(locks, "write", urgent=True):
            assert refused(locks, "read", wait=0.0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_ticket_whose_taker_died_before_counting_is_skipped(tmp_path):
    queue = TicketQueue(tmp_path / "q")
    with queue.stand(time.monotonic() + 1) as first:
        queue.path.write_bytes(b"")  # as if the count had never been written
        with queue.stand(time.monotonic() + 1) as second:
            assert first.first()
            assert not second.first()


def test_a_folder_without_write_access_is_a_clear_error(tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="side file cannot be opened"), hold(Locks(blocked / "w.duckdb")):
        pass
