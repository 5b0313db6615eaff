"""Sessions and what interrupts them: Ctrl-C, SIGTERM in a commit, forks."""

import os
import signal
import time

import pytest

from tests.support.sessions import count, insert, run, sessions_in
from warehouse import session as session_module


@pytest.fixture
def sessions(tmp_path):
    return sessions_in(tmp_path)


CTRL_C = """
import os, signal, sys, threading, time
from pathlib import Path
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored
try:
    with sessions.write() as cursor:
        cursor.execute("INSERT INTO market.bars VALUES ('SPY', 1.0)")
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        if sys.argv[2] == "in a query":
            cursor.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b"
                           " WHERE (a.range * b.range) % 7 = 3").fetchall()
        else:
            time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
with sessions.write(timeout=5) as cursor:
    print("rows", cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0])
"""


@pytest.mark.parametrize("where", ["in a query", "in python"])
def test_ctrl_c_rolls_back_releases_and_comes_out_as_keyboard_interrupt(sessions, where):
    assert run(CTRL_C, sessions.path, where) == "interrupted\nrows 0\n"


CTRL_C_STORM = """
import os, random, signal, sys, threading, time
from pathlib import Path
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
generator = random.Random(7)
stop = threading.Event()
armed = False
def interrupt(number, frame):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
def pester():
    while not stop.wait(generator.choice([0.001, 0.01, 0.1])):
        os.kill(os.getpid(), signal.SIGINT)
acknowledged = interrupted = 0
thread = threading.Thread(target=pester)
over = time.monotonic() + 1.5
thread.start()
while time.monotonic() < over or not acknowledged:
    try:
        armed = True
        with sessions.write(timeout=2) as cursor:
            cursor.execute("INSERT INTO market.bars VALUES ('SPY', 1.0)")
        armed = False
        acknowledged += 1
    except KeyboardInterrupt:
        armed = False
        interrupted += 1
stop.set()
thread.join()
with sessions.read(timeout=2) as cursor:
    rows = cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]
print(interrupted > 5, acknowledged > 0, acknowledged <= rows <= acknowledged + interrupted)
"""


def test_a_storm_of_interrupts_never_leaves_the_warehouse_held(sessions):
    assert run(CTRL_C_STORM, sessions.path) == "True True True\n"


FORK = """
import os, sys
from pathlib import Path
from pipeline.errors import ResourceError
from warehouse.session import Sessions
sessions = Sessions(Path(sys.argv[1]))
def rows():
    with sessions.read(timeout=5) as cursor:
        return cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]
def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
rows()
child = os.fork()
if child == 0:
    with sessions.write(timeout=5) as cursor:  # with an instance of its own
        cursor.execute("INSERT INTO market.bars VALUES ('child', 1.0)")
    sys.exit(0)
print("child after a session", wait(child), rows())
with sessions.write(timeout=5) as cursor:
    cursor.execute("INSERT INTO market.bars VALUES ('parent', 1.0)")
    child = os.fork()
    if child == 0:
        break_out = True
    else:
        break_out = False
        print("child inside a session", wait(child))
    if break_out:
        raise SystemExit(3)
print("rows", rows())
child = None
try:
    with sessions.write(timeout=5):
        child = os.fork()
except ResourceError as error:
    sys.exit(4 if "forked inside" in str(error) else 5)
print("child that leaves its block", wait(child), rows())
"""


def test_nothing_survives_a_fork(sessions):
    assert run(FORK, sessions.path).splitlines() == [
        "child after a session 0 1",
        "child inside a session 3",
        "rows 2",
        "child that leaves its block 4 2",
    ]


def test_sigterm_in_a_commit_is_delivered_after_it(sessions):
    arrived: list[int] = []
    commit = session_module._commit

    def commit_under_fire(cursor):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert arrived == []
        commit(cursor)

    before = signal.signal(signal.SIGTERM, lambda number, _: arrived.append(number))
    try:
        with pytest.MonkeyPatch.context() as patch, sessions.write() as cursor:
            patch.setattr(session_module, "_commit", commit_under_fire)
            insert(cursor)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert arrived == [signal.SIGTERM]
    assert count(sessions) == 1
