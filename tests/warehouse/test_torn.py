"""A checkpoint killed inside one write of a metadata block: mended after a killed writer, and only then."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ConfigError, DataError
from warehouse import torn
from warehouse.instance import ForeignLockError
from warehouse.session import Sessions

ROOT = Path(__file__).parents[2]
PAGE = 4096
BLOCK = 262_144
FIRST = slice(1)
DIE_BEFORE_THE_CHECKPOINT = """
import os, sys
import duckdb
c = duckdb.connect(sys.argv[1])
c.execute("INSERT INTO bars SELECT 'LATE', range FROM range(7)")
os.kill(os.getpid(), 9)
"""


def contents(sessions) -> dict[str, int]:
    with sessions.read() as cursor:
        return dict(cursor.execute("SELECT symbol, count(*) FROM bars GROUP BY ALL ORDER BY ALL").fetchall())


def log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """A file whose writer was killed between commit and checkpoint, before that checkpoint and after it."""
    path = tmp_path_factory.mktemp("stages") / "before.duckdb"
    sessions = Sessions(path)
    for symbol in ("SPY", "QQQ", "IWM"):
        with sessions.write() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS bars (symbol VARCHAR, close DOUBLE)")
            cursor.execute("INSERT INTO bars SELECT ?, range FROM range(500)", [symbol])
    subprocess.run([sys.executable, "-c", DIE_BEFORE_THE_CHECKPOINT, str(path)], check=False)
    after = path.with_name("after.duckdb")
    shutil.copyfile(path, after)
    shutil.copyfile(log_of(path), log_of(after))
    contents(Sessions(after))  # applies the log and checkpoints
    assert not log_of(after).exists()
    return path, after


def rewritten(stages) -> tuple[int, int]:
    """The block that the checkpoint wrote over although the old header names it: place, free parts."""
    before, after = (path.read_bytes() for path in stages)
    file = os.open(stages[0], os.O_RDONLY)
    try:
        free = torn._free_parts(file, torn._valid_header(file))
    finally:
        os.close(file)
    found = [(torn.BLOCKS_AT + number * BLOCK, parts) for number, parts in free.items()]
    changed = [(at, parts) for at, parts in found if before[at : at + BLOCK] != after[at : at + BLOCK]]
    assert len(changed) == 1, "this DuckDB no longer rewrites metadata in place: is the module still needed?"
    return changed[0]


def tear(stages, path: Path, written: slice, *, log: bool) -> Sessions:
    """Lay the file out as it is when of the changed pages of the block only these were written."""
    torn_file, after = bytearray(stages[0].read_bytes()), stages[1].read_bytes()
    place, _ = rewritten(stages)
    pages = [slice(at, at + PAGE) for at in range(place, place + BLOCK, PAGE)]
    changed = [page for page in pages if torn_file[page] != after[page]]
    for page in changed[written]:
        torn_file[page] = after[page]
    path.write_bytes(torn_file)
    if log:
        shutil.copyfile(log_of(stages[0]), log_of(path))
    return Sessions(path)


def leave_a_pid(sessions) -> None:
    sessions.locks.lock_path.write_text(f"{2**22 + 1:<20d}")


@pytest.mark.parametrize(
    "written", [FIRST, slice(-1), slice(1, None)], ids=["first", "all but the last", "all but the first"]
)
def test_a_torn_block_is_mended_and_the_log_applied(stages, tmp_path, written):
    sessions = tear(stages, tmp_path / "torn.duckdb", written, log=True)
    with pytest.raises(duckdb.Error, match="checksum"):
        duckdb.connect(str(sessions.path), read_only=True)
    assert contents(sessions) == {"IWM": 500, "LATE": 7, "QQQ": 500, "SPY": 500}
    with sessions.write() as cursor:
        cursor.execute("INSERT INTO bars VALUES ('NEXT', 1.0)")
    assert contents(sessions)["NEXT"] == 1


def test_a_checkpoint_changes_only_parts_that_the_old_header_calls_free(stages):
    before, after = (path.read_bytes() for path in stages)
    place, free = rewritten(stages)
    size = torn.part_bytes(BLOCK)
    starts = range(place + torn.CHECKSUM_BYTES, place + BLOCK - size + 1, size)
    changed = [n for n, at in enumerate(starts) if before[at : at + size] != after[at : at + size]]
    assert changed
    assert all(free >> part & 1 for part in changed)


def test_a_commit_that_is_checkpointed_without_a_log_is_undone_whole(stages, tmp_path):
    sessions = tear(stages, tmp_path / "torn.duckdb", FIRST, log=False)
    leave_a_pid(sessions)
    assert contents(sessions) == {"IWM": 500, "QQQ": 500, "SPY": 500}
    assert sessions.locks.lock_path.read_text() == ""


def test_a_writer_mends_too(stages, tmp_path):
    sessions = tear(stages, tmp_path / "torn.duckdb", FIRST, log=False)
    leave_a_pid(sessions)
    with sessions.write() as cursor:
        cursor.execute("INSERT INTO bars VALUES ('NEXT', 1.0)")
    assert contents(sessions) == {"IWM": 500, "NEXT": 1, "QQQ": 500, "SPY": 500}


def test_only_the_checksum_is_changed(stages, tmp_path):
    path = tmp_path / "torn.duckdb"
    tear(stages, path, FIRST, log=False)
    (place, _), found = rewritten(stages), path.read_bytes()
    assert torn.mend(path) == [(place - torn.BLOCKS_AT) // BLOCK]
    mended = path.read_bytes()
    assert mended[:place] == found[:place]
    assert mended[place + 8 :] == found[place + 8 :]
    assert torn.mend(path) == []


def test_without_a_killed_writer_a_wrong_checksum_is_damage_and_stays_an_error(stages, tmp_path):
    sessions = tear(stages, tmp_path / "torn.duckdb", FIRST, log=False)
    with pytest.raises(DataError, match="cannot be attached"):
        contents(sessions)


def test_a_damaged_block_that_no_checkpoint_rewrites_stays_an_error_after_a_kill(stages, tmp_path):
    path = tmp_path / "rotten.duckdb"
    whole = bytearray(stages[1].read_bytes())
    with duckdb.connect(str(stages[1]), read_only=True) as connection:
        data = connection.execute(
            "SELECT block_id FROM pragma_storage_info('bars') WHERE segment_type = 'DOUBLE'"
        )
        place = torn.BLOCKS_AT + data.fetchone()[0] * BLOCK
    whole[place + 100] ^= 1
    path.write_bytes(whole)
    sessions = Sessions(path)
    leave_a_pid(sessions)
    assert torn.mend(path) == []
    with pytest.raises(duckdb.Error, match="checksum"), sessions.read() as cursor:
        cursor.execute("SELECT sum(close) FROM bars").fetchall()


@pytest.mark.parametrize("text", [b"", b"not a database", b"\0" * 20_000])
def test_what_is_no_database_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "other.duckdb"
    path.write_bytes(text)
    assert torn.mend(path) == []
    assert path.read_bytes() == text


def test_a_file_that_another_program_has_open_is_not_touched(stages, tmp_path):
    path = tmp_path / "held.duckdb"
    shutil.copyfile(stages[1], path)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdout.readline()
        with pytest.raises(ForeignLockError):
            torn.mend(path)
        program.stdin.close()


def test_a_file_that_this_process_has_open_is_not_touched(stages, tmp_path):
    path = tmp_path / "own.duckdb"
    shutil.copyfile(stages[1], path)
    with duckdb.connect(str(path)), pytest.raises(ConfigError, match="by another way"):
        torn.mend(path)


def test_what_a_killed_writer_left_is_told_to_the_next_until_one_has_seen_to_it(tmp_path):
    locks = Sessions(tmp_path / "file.duckdb").locks
    locks.lock_path.write_text("4194305")
    for seen_to in (False, True):
        with locks.hold(exclusive=True, urgent=False, deadline=0) as held:
            assert held.died
            held.died = not seen_to
    with locks.hold(exclusive=True, urgent=False, deadline=0) as held:
        assert not held.died


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the recorder uses Linux's ptrace")
def test_wherever_a_kill_stops_a_write_or_the_repair_after_it_everything_acknowledged_is_there(tmp_path):
    from benchmarks.warehouse_crash import Outcome, Scenario, run

    outcome = Outcome()
    run(Scenario("tiny", (400,), (400,), 500), tmp_path, stride=32, repairs=1, outcome=outcome)
    assert outcome.texts == []
    assert outcome.inside_writes > 4
    assert outcome.in_repairs > 10
