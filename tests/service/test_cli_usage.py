"""Mistakes on the command line, faults of ours and interrupts: one message, one exit code, no traceback."""

import json
import subprocess
import sys

import pytest

from pipeline import errors
from resources.home import ROOT
from service.cli import data
from service.cli import main as main_module
from service.cli.opening import instant, overrides_of
from service.cli.output import shown, to_json

MISTAKES = [
    (["nothing"], "nothing"),
    (["data", "nothing"], "nothing"),
    (["data", "update", "--bogus"], "--bogus"),
    (["data", "export"], "--to"),
    (["data", "export", "--to", "x", "--format", "csv"], "csv"),
    (["data", "update", "--start", "yesterday"], "yesterday"),
    (["data", "update", "--start", "2024-13-01"], "2024-13-01"),
    (["data", "update", "--start", "2024-01-01T10:00"], "2024-01-01T10:00"),
    (["data", "update", "--start", "2024-02", "--end", "2024-01"], "window is empty"),
    (["data", "update", "--symbols", ","], "no symbol"),
    (["data", "update", "--symbols", "TSLA"], "TSLA"),
    (["data", "update", "--source", "bloomberg"], "bloomberg"),
    (["data", "status", "--set", "risk.per_asset_cap"], "not an assignment"),
    (["data", "status", "--set", "risk.per_asset_cp=0.3"], "per_asset_cap"),
    (["data", "status", "--set", "risk.per_asset_cap=many"], "per_asset_cap"),
    (["data", "update", "--source", "files", "--set", "source=files"], "twice"),
    (["backtest", "run", "--strategy", "Martingale"], "Martingale"),
    (["backtest", "run", "--start", "2024-02", "--end", "2024-02"], "window is empty"),
    (["run", "--from", "1999-01"], "1999-01"),
    (["run", "--from", "next"], "next"),
    (["backtest", "compare", "latest"], "RUN_ID"),
]


@pytest.mark.parametrize(("arguments", "named"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_leaves_with_1_names_what_is_wrong_and_says_what_to_do(bells, arguments, named, home):
    answer = bells(*arguments, "--json")
    record = answer.json
    assert (answer.code, record["exit_code"], record["ok"]) == (1, 1, False)
    assert named in answer.err
    assert record["fix"]
    assert "Traceback" not in answer.err
    assert not (home / "warehouse.duckdb").exists()


def test_people_get_the_fix_on_stderr_and_nothing_on_stdout(bells):
    answer = bells("data", "update", "--start", "2024-99")
    assert answer.out == ""
    assert answer.err.startswith("bells: ")
    assert "fix:" in answer.err


@pytest.mark.parametrize("arguments", [["data", "status"], ["backtest", "list"], ["snapshot"]])
def test_reading_without_a_warehouse_leaves_with_2_and_creates_nothing(bells, home, arguments):
    answer = bells(*arguments, "--json")
    assert answer.code == answer.json["exit_code"] == 2
    assert "bells run" in answer.json["fix"]
    assert not home.exists()


def test_help_and_version_need_no_home(bells, home):
    assert "backtest" in bells("--help").out
    assert bells().out == bells("--help").out
    assert bells("--version").out.startswith("bells 0.")
    assert not home.exists()


def test_a_fault_of_ours_leaves_with_255_and_its_traceback_goes_to_a_file(bells, home, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(data, "open_for", broken)
    answer = bells("data", "status", "--json")
    log = home / "logs" / "crash.log"
    assert answer.code == answer.json["exit_code"] == 255
    assert answer.json["field"] == str(log)
    assert "ZeroDivisionError: planted" in log.read_text()
    assert "Traceback" not in answer.err + answer.out


def test_a_panic_that_is_no_exception_leaves_with_255_and_one_object_too(bells, home, monkeypatch):
    class PanicException(BaseException):  # as polars raises it: not an Exception
        pass

    def broken(*_: object, **__: object) -> None:
        raise PanicException("planted in Rust")

    monkeypatch.setattr(data, "open_for", broken)
    answer = bells("data", "status", "--json")
    assert answer.code == answer.json["exit_code"] == 255
    assert "PanicException: planted in Rust" in answer.json["what"]
    assert "planted in Rust" in (home / "logs" / "crash.log").read_text()
    assert "Traceback" not in answer.err + answer.out


def test_a_crash_is_told_even_where_the_home_cannot_be_written(bells, home, monkeypatch, tmp_path):
    home.write_text("a file where the folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(data, "open_for", lambda *_: 1 / 0)
    answer = bells("data", "status")
    assert answer.code == 255
    assert "ZeroDivisionError" in (tmp_path / "eightbells-crash.log").read_text()


def test_a_home_that_cannot_be_made_is_a_problem_of_resources(bells, home):
    home.write_text("a file where the folder should be")
    assert bells("data", "update").code == 4


def test_ctrl_c_leaves_with_130(bells, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "open_for", interrupted)
    answer = bells("data", "status")
    assert (answer.code, answer.out) == (130, "")
    assert "interrupted" in answer.err
    assert json.loads(bells("data", "status", "--json").out)["exit_code"] == 130


KINDS = [
    (errors.ConfigError, 1),
    (errors.SourceError, 2),
    (errors.FitError, 3),
    (errors.WarehouseBusyError, 4),
    (errors.TamperedError, 5),
    (errors.BrokerError, 6),
]


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_every_kind_of_failure_has_its_exit_code(bells, monkeypatch, kind, code):
    def failing(*_: object, **__: object) -> None:
        raise kind("planted", field="x", fix="do this")

    monkeypatch.setattr(data, "open_for", failing)
    answer = bells("data", "status", "--json")
    assert answer.code == code
    assert answer.json["error"] == kind.__name__


def test_the_command_leaves_its_process_with_the_code(process, home):
    wrong = process("data", "status", "--bogus")
    out, err = wrong.communicate(timeout=60)
    assert (wrong.returncode, out) == (1, "")
    assert "Traceback" not in err


def test_loading_the_command_imports_nothing_heavy():
    heavy = ("dagster", "duckdb", "polars", "numba", "pandas", "pydantic", "matplotlib", "exchange_calendars")
    script = f"import sys, service.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-02", "2024-02-01T00:00:00+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T12:30+02:00", "2024-02-29T10:30:00+00:00"),
        ("2024-02-29T12:30Z", "2024-02-29T12:30:00+00:00"),
    ],
)
def test_a_date_of_the_command_line_is_an_instant_in_utc(text, iso):
    assert instant("--start", text).isoformat() == iso


def test_an_option_that_stands_for_a_setting_becomes_its_dotted_path():
    assert overrides_of(["a.b=1", "a.b=2"], "files", backtest__strategy="X", backtest__start=None) == {
        "a.b": "2",
        "source": "files",
        "backtest.strategy": "X",
    }


def test_unknown_is_a_dash_for_people_and_null_in_json():
    assert [shown(v) for v in (None, True, 12345, 0.25, [], {"a": None})] == [
        "-",
        "yes",
        "12,345",
        "0.25",
        "-",
        "a -",
    ]
    assert json.loads(to_json({"a": None})) == {"a": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": float("nan")})


@pytest.mark.parametrize(
    "bug",
    [
        OSError(28, "No space left on device"),
        RuntimeError("(sqlite3.OperationalError) database or disk is full"),
        OSError(30, "Read-only file system"),
    ],
)
def test_a_disk_that_takes_no_more_writes_is_a_problem_of_resources_and_no_crash(
    bells, home, monkeypatch, bug
):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("what a library made of it") from bug

    monkeypatch.setattr(data, "open_for", broken)
    answer = bells("data", "status", "--json")
    assert answer.code == answer.json["exit_code"] == 4
    assert "free space" in answer.json["fix"]
    assert not (home / "logs").exists()


def test_an_interrupt_that_a_library_made_something_else_of_is_an_interrupt(bells, home, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        try:
            main_module._interrupt(2, None)
        except KeyboardInterrupt:
            raise AttributeError("partially initialized module") from None

    monkeypatch.setattr(main_module, "_interrupts", [])
    monkeypatch.setattr(data, "open_for", broken)
    answer = bells("data", "status", "--json")
    assert (answer.code, answer.json["error"]) == (130, "Interrupted")
    assert not (home / "logs").exists()
