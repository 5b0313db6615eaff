"""Sessions over a file of one table, processes beside them, and one that knows nothing of sessions."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from warehouse.session import Sessions

ROOT = Path(__file__).parents[2]


def sessions_in(folder):
    """Sessions over a file with an odd name, which every statement has to quote."""
    made = Sessions(folder / 'it\'s a "desk" file.duckdb')
    with made.write() as cursor:
        cursor.execute("CREATE SCHEMA market")
        cursor.execute("CREATE TABLE market.bars (symbol VARCHAR, close DOUBLE)")
    return made


def count(sessions) -> int:
    with sessions.read() as cursor:
        return cursor.execute("SELECT count(*) FROM market.bars").fetchone()[0]


def insert(cursor, rows=1) -> None:
    cursor.execute("INSERT INTO market.bars SELECT 'SPY', range FROM range(?)", [rows])


def run(code: str, *arguments: object, wait=60) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=wait,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def foreign(path, *, read_only=False, seconds=30.0):
    """A process that knows nothing of sessions and has the file open, as a person's CLI would."""
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'True');"
        " print('open', flush=True); time.sleep(float(sys.argv[3]))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(read_only), str(seconds)], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"open\n"
        yield child
    finally:
        child.kill()
        child.communicate()
