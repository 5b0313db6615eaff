"""docs/writing-a-strategy.md, followed to the letter: its package, its test, its installation, its run."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "writing-a-strategy.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


NEW, TEST, INSTALL, RUN = (text.strip() for text in blocks("sh"))
(SHOWN,), (ENTRY,) = blocks("python"), blocks("yaml")


def words(command, folder):
    return [word.replace("/my/folder", str(folder)) for word in shlex.split(command)]


@pytest.fixture
def written(bells, tmp_path):
    """The package of step 1."""
    folder = tmp_path / "my" / "folder"
    program, *arguments = words(NEW, folder)
    assert program == "bells"
    assert bells(*arguments).code == 0
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, written):
    """A project whose configuration has the lines of step 4; nothing else of it differs."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "configs", root / "configs")
    entries = root / "configs" / "base" / "strategies.yaml"
    assert (written / "strategies.yaml").read_text() == ENTRY
    entries.write_text(entries.read_text() + ENTRY)
    monkeypatch.setattr("resources.desk.ROOT", root)
    return entries


@pytest.fixture
def installed(written, tmp_path, monkeypatch):
    """The package of step 3, installed beside this environment and not into it."""
    program, *arguments = words(INSTALL, written)
    assert (program, arguments[:3]) == (".venv/bin/python", ["-m", "pip", "install"])
    site = tmp_path / "site"
    offline = ["--quiet", "--no-index", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([sys.executable, *arguments, *offline], check=True, timeout=120)
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield site
    sys.modules.pop("golden_cross", None)


def test_the_page_shows_what_the_command_writes_and_it_has_thirty_lines(written):
    assert (written / "golden_cross.py").read_text() == SHOWN
    assert len(SHOWN.splitlines()) == 30
    assert len(list(written.iterdir())) == 4
    assert "writes four files" in PAGE


@pytest.mark.slow
def test_its_test_passes(written):
    program, *arguments = words(TEST, written)
    assert program == ".venv/bin/python"
    done = subprocess.run(
        [sys.executable, *arguments, "-q", "-p", "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
def test_it_runs_and_its_run_is_locked_to_its_text(stored, bells, project, installed):
    row = next(
        r for r in bells("strategies", "list", "--json").json["strategies"] if r["name"] == "GoldenCross"
    )
    assert (row["status"], row["origin"]) == ("research", "golden-cross 1.0.0")
    assert row["parameters"] == {"fast_days": 20, "slow_days": 100}
    program, *arguments = words(RUN, "")
    assert program == "bells"
    window = ("--start", "2023-03-01", "--end", "2023-05-01", "--json")
    first = bells(*arguments, *window).json
    assert (first["strategy"], first["strategy_version"]) == (
        "GoldenCross", "1.0.0",
    )  # fmt: skip
    assert f"GoldenCross 1.0.0 {row['code'][:12]} of golden-cross 1.0.0" in first["code_version"]
    changed = bells(*arguments, *window, "--set", "strategies.GoldenCross.parameters={fast_days: 90}").json
    assert changed["digest"] != first["digest"]


@pytest.mark.slow
def test_a_run_whose_strategy_is_reinstalled_under_it_is_refused(
    stored, bells, project, installed, monkeypatch
):
    path = installed / "golden_cross.py"

    def meanwhile(*arguments, **named):
        path.write_text(path.read_text() + "\n# another text\n")
        return hashed(*arguments, **named)

    from assets.backtest import trials

    hashed = trials.data_hash
    monkeypatch.setattr(trials, "data_hash", meanwhile)
    _program, *arguments = words(RUN, "")
    answer = bells(*arguments, "--start", "2023-03-01", "--end", "2023-05-01", "--json")
    assert (answer.code, answer.json["error"]) == (5, "TamperedError")
    assert "GoldenCross 1.0.0 changed" in answer.json["what"]
    assert bells("backtest", "list", "--json").json["runs"] == []


@pytest.mark.slow
def test_another_version_than_the_entry_says_and_a_broken_answer_end_with_their_codes(
    stored, bells, project, installed
):
    _program, *arguments = words(RUN, "")
    other = bells(*arguments, "--set", "strategies.GoldenCross.version=1.1.0", "--json")
    assert (other.code, other.json["error"]) == (1, "ConfigError")
    path = installed / "golden_cross.py"
    path.write_text(path.read_text().replace("return above / np", "return 3.0 * above / np"))
    sys.modules.pop("golden_cross")
    broken = bells(*arguments, "--start", "2023-03-01", "--end", "2023-05-01", "--json")
    assert (broken.code, broken.json["error"]) == (3, "ModelError")
    assert "weights[" in broken.json["field"]
