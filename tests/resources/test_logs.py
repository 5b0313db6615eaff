"""JSON-line logs: record shape, trace id, masking, rotation, several processes, records that are broken."""

import io
import json
import multiprocessing
import threading
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError
from resources.log_file import LONGEST_LINE, LogFile
from resources.logs import STREAMS, Logs, bind_trace, current_trace

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


class Side(StrEnum):
    BUY = "buy"


def opened(directory: Path, **settings) -> Logs:
    settings = {"now": lambda: NOON, "console": io.StringIO(), "strict": True, **settings}
    return Logs(directory, **settings)


def records(directory: Path, stream: str) -> list[dict]:
    path = directory / f"{stream}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.contract
def test_a_record_has_time_component_level_message_trace_and_context(tmp_path):
    with bind_trace("decision-7"):
        opened(tmp_path).stream("orders", "execution").info(
            "order sent", symbol="BTC/USD", quantity=Decimal("0.25")
        )
    assert records(tmp_path, "orders") == [
        {
            "timestamp": "2024-07-01T12:00:00.000000+00:00",
            "component": "execution",
            "level": "info",
            "message": "order sent",
            "trace_id": "decision-7",
            "context": {"symbol": "BTC/USD", "quantity": "0.25"},
        }
    ]


def test_each_stream_has_its_file_and_errors_are_copied_to_errors(tmp_path):
    logs = opened(tmp_path)
    for name in STREAMS:
        logs.stream(name, "c").warning(f"to {name}")
    logs.stream("trades", "c").error("it broke")
    messages = {name: [record["message"] for record in records(tmp_path, name)] for name in STREAMS}
    assert messages == {
        "trades": ["to trades", "it broke"],
        "orders": ["to orders"],
        "performance": ["to performance"],
        "regime": ["to regime"],
        "errors": ["to errors", "it broke"],
    }


def test_an_unknown_stream_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such log stream"):
        opened(tmp_path).stream("order", "c")


def test_levels_below_the_configured_one_are_written_nowhere(tmp_path):
    console = io.StringIO()
    log = opened(tmp_path, level="warning", console_level="error", console=console).stream("orders", "c")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(level)
    assert [record["level"] for record in records(tmp_path, "orders")] == ["warning", "error"]
    assert console.getvalue().count("\n") == 1


def test_the_console_may_show_more_than_the_files(tmp_path):
    console = io.StringIO()
    opened(tmp_path, level="error", console_level="info", console=console).stream("orders", "c").info("seen")
    assert "seen" in console.getvalue()
    assert not records(tmp_path, "orders")


def test_the_console_is_stderr_unless_another_is_given_and_a_line_stays_one_line(tmp_path, capsys):
    log = Logs(tmp_path, now=lambda: NOON).stream("orders", "c")
    with bind_trace("t-1"):
        log.warning("two\nlines \x1b[31mred", symbol="SPY")
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err
        == "2024-07-01T12:00:00.000000+00:00 warning c: two\\x0alines \\x1b[31mred symbol=SPY trace_id=t-1\n"
    )


def test_values_keep_their_meaning(tmp_path):
    opened(tmp_path).stream("trades", "c").info(
        "filled",
        side=Side.BUY,
        at=NOON,
        price=np.float64(1.5),
        count=np.int64(3),
        flag=np.bool_(True),  # noqa: FBT003 - a NumPy truth, not an argument
        unknown=float("nan"),
        infinite=np.inf,
        path=Path("/a"),
        ident=UUID(int=5),
        rows=(1, [2.5]),
        nested={"a": {"b": None}},
        words="£ \udc80",
    )
    assert records(tmp_path, "trades")[0]["context"] == {
        "side": "buy",
        "at": "2024-07-01T12:00:00+00:00",
        "price": 1.5,
        "count": 3,
        "flag": True,
        "unknown": None,
        "infinite": None,
        "path": "/a",
        "ident": "00000000-0000-0000-0000-000000000005",
        "rows": [1, [2.5]],
        "nested": {"a": {"b": None}},
        "words": "£ \udc80",
    }


def test_the_trace_is_that_of_the_innermost_block_and_of_its_own_thread(tmp_path):
    log = opened(tmp_path).stream("orders", "c")
    with bind_trace("outer"):
        with bind_trace("inner"):
            log.info("1")
        log.info("2")
        thread = threading.Thread(target=lambda: log.info("3"))
        thread.start()
        thread.join()
    log.info("4")
    assert [record["trace_id"] for record in records(tmp_path, "orders")] == ["inner", "outer", None, None]
    assert current_trace() is None


@pytest.mark.parametrize("trace", ["", "two words", "line\n", "x" * 129, "ü"])
def test_a_trace_id_that_would_break_a_line_is_refused(trace):
    with pytest.raises(ConfigError, match="trace id"), bind_trace(trace):
        pass


def test_secrets_never_reach_a_file_or_the_console(tmp_path):
    console = io.StringIO()
    log = opened(tmp_path, hidden=("hunter2hunter2",), console=console).stream("orders", "c")
    log.error(
        "login with hunter2hunter2",
        api_key="abc-123",
        header={"Authorization": "Bearer abc-123"},
        url="https://me:abc-123@example.org",
        rest=["x hunter2hunter2 y"],
    )
    written = "".join(path.read_text() for path in tmp_path.glob("*.jsonl")) + console.getvalue()
    assert "login with ***" in written
    assert "hunter2" not in written
    assert "abc-123" not in written


def test_a_failure_is_written_with_its_parts(tmp_path):
    logs = opened(tmp_path)
    logs.failure(
        DataError("bar breaks", field="high", value=9.0, constraint="high >= close", fix="look"), "market"
    )
    logs.failure(ZeroDivisionError("division by zero"), "market")
    first, second = records(tmp_path, "errors")
    assert first["message"] == "bar breaks"
    assert first["context"] == {
        "error": "DataError",
        "field": "high",
        "value": "9.0",
        "constraint": "high >= close",
        "fix": "look",
        "exit_code": 2,
    }
    assert second["message"] == "division by zero"
    assert second["context"] == {"error": "ZeroDivisionError", "exit_code": 255}


def test_the_exception_at_hand_is_named(tmp_path):
    try:
        {}["missing"]
    except KeyError:
        opened(tmp_path).stream("errors", "c").exception("it broke")
    assert records(tmp_path, "errors")[0]["context"] == {"exception": "KeyError('missing')"}


BROKEN = [
    ("message is no text", (5,), {}),
    ("an object", ("m",), {"x": object()}),
    ("bytes", ("m",), {"x": b"1"}),
]


@pytest.mark.parametrize(("name", "words", "context"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_record_raises_in_tests_and_is_reported_elsewhere(tmp_path, name, words, context):
    with pytest.raises(TypeError):
        opened(tmp_path).stream("orders", "c").info(*words, **context)
    logs = opened(tmp_path, strict=False)
    logs.stream("orders", "c").info(*words, **context)
    assert logs.broken == 1
    (report,) = records(tmp_path, "errors")
    assert report["message"] == "a log record could not be written"
    assert report["context"]["stream"] == "orders"
    assert "TypeError" in report["context"]["reason"]


def test_a_record_inside_itself_is_reported(tmp_path):
    circle: dict = {}
    circle["again"] = circle
    logs = opened(tmp_path, strict=False)
    logs.stream("orders", "c").info("round", circle=circle)
    assert logs.broken == 1


def test_logs_that_cannot_be_written_do_not_break_the_caller_and_are_counted_and_shown(tmp_path):
    console = io.StringIO()
    logs = opened(tmp_path / "not there", strict=False, console=console)
    logs.stream("orders", "c").info("lost")
    assert logs.broken == 1
    assert "lost=lost" in console.getvalue()
    assert "FileNotFoundError" in console.getvalue()

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    logs = opened(tmp_path / "not there", strict=False, console=Closed())
    logs.stream("orders", "c").info("lost")
    assert logs.broken == 2


def test_a_long_record_is_cut_to_one_short_line_and_says_so(tmp_path):
    opened(tmp_path).stream("orders", "c").info("m" * 5000, big="x" * 50_000, small=1, rows=list(range(5000)))
    path = tmp_path / "orders.jsonl"
    assert path.stat().st_size <= LONGEST_LINE
    (record,) = records(tmp_path, "orders")
    assert record["context"]["cut"] is True
    assert record["context"]["bytes"] > 50_000
    assert record["context"]["big"] == "x" * 200
    assert record["message"] == "m" * 200


def test_files_are_rotated_by_size_and_only_so_many_are_kept(tmp_path):
    log = opened(tmp_path, rotate_mb=0.001, keep=3).stream("orders", "c")
    for number in range(60):
        log.info("sent", number=number)
    files = sorted(tmp_path.glob("orders.jsonl*"))
    assert [path.name for path in files] == [
        "orders.jsonl",
        "orders.jsonl.1",
        "orders.jsonl.2",
        "orders.jsonl.3",
    ]
    assert all(path.stat().st_size <= 1000 for path in files)
    newest_first = [
        json.loads(line)["context"]["number"]
        for path in files
        for line in reversed(path.read_text().splitlines())
    ]
    assert newest_first == list(range(59, 59 - len(newest_first), -1))


def _write_many(directory: Path, worker: int, count: int) -> None:
    log = Logs(directory, now=lambda: NOON, rotate_mb=0.02, keep=100, strict=True).stream(
        "orders", f"w{worker}"
    )
    for number in range(count):
        log.info("sent", number=number, pad="x" * (number % 700))


def test_several_processes_lose_and_tear_nothing_while_the_files_rotate(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path, worker, 400)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    files = list(tmp_path.glob("orders.jsonl*"))
    assert len(files) > 10
    assert all(path.stat().st_size <= 20_000 for path in files)
    seen = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    names = {(record["component"], record["context"]["number"]) for record in seen}
    assert len(seen) == len(names) == 1600


@pytest.mark.parametrize("line", [b"no end", b"two\nlines\n", b"x" * LONGEST_LINE + b"\n", b""])
def test_a_log_file_takes_exactly_one_line(tmp_path, line):
    with pytest.raises(ValueError, match="not one line"):
        LogFile(tmp_path / "a.jsonl", rotate_bytes=10_000, keep=1).append(line)


def test_a_file_that_another_process_keeps_locked_is_given_up_after_a_while(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr("resources.log_file._TRIES", 3)
    with (tmp_path / ".orders.jsonl.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        logs = opened(tmp_path, strict=False)
        logs.stream("orders", "c").info("waits")
    assert logs.broken == 1
    assert "locked by another process" in records(tmp_path, "errors")[0]["context"]["reason"]


def test_every_setting_reaches_the_logs(tmp_path):
    from pipeline.config.system import Logging

    chosen = Logging(level="error", console_level="error", rotate_mb=0.0005, keep=1)
    environ = {"KRAKEN_SECRET": "hunter2hunter2"}
    logs = Logs.from_settings(chosen, tmp_path, now=lambda: NOON, environ=environ)
    log = logs.stream("orders", "c")
    log.warning("not written")
    for number in range(12):
        log.error("sent with hunter2hunter2", number=number)
    assert sorted(path.name for path in tmp_path.glob("orders*")) == ["orders.jsonl", "orders.jsonl.1"]
    assert all(path.stat().st_size <= 500 for path in tmp_path.glob("orders*"))
    text = (tmp_path / "orders.jsonl").read_text()
    assert "sent with ***" in text
    assert "not written" not in text
