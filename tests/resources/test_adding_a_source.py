"""docs/adding-a-source.md, followed to the letter: its adapter, its package, its file, its update."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ComponentNotFoundError
from resources.clock import SystemClock
from resources.market.live_settings import VenueSettings
from resources.venues.registry import kinds, open_venue
from service.cli.main import invoke

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The page's folder, with its package installed beside it and not into this environment."""
    path = tmp_path_factory.mktemp("adding")
    source = path / "my" / "folder"
    source.mkdir(parents=True)
    for name, language in (("toy_venue.py", "python"), ("pyproject.toml", "toml"), ("source.yaml", "yaml")):
        (only,) = blocks(language)
        (source / name).write_text(only, encoding="utf-8")
    install, _update = blocks("sh")
    words = install.split()[1:-1]
    assert words[:3] == ["-m", "pip", "install"]
    offline = ["--quiet", "--no-index", "--disable-pip-version-check", "--target", str(path / "site")]
    subprocess.run([sys.executable, *words, *offline, str(source)], check=True, timeout=120)
    return source


@pytest.fixture
def installed(folder, monkeypatch, tmp_path) -> Path:
    monkeypatch.syspath_prepend(str(folder.parents[1] / "site"))
    importlib.invalidate_caches()
    _install, update = blocks("sh")
    for variable, value in re.findall(r"(EIGHTBELLS_\w+)=(\S+)", update):
        monkeypatch.setenv(variable, value.replace("/my/folder", str(folder)))
    monkeypatch.setenv("EIGHTBELLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    monkeypatch.setenv("EIGHTBELLS_CHAIN__SOURCE", "none")
    yield folder
    sys.modules.pop("toy_venue", None)


def test_the_page_brings_its_bars_in_and_a_second_update_stores_nothing(installed, capsys):
    _install, update = blocks("sh")
    command = update.split("bells ")[1].split()
    stored = []
    for _ in range(2):
        code = invoke([*command, "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert (code, answer["ok"], answer["source"]) == (0, True, "toy"), json.dumps(answer)
        stored.append([table["inserted"] for table in answer["tables"]])
    assert stored == [[60, 10, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert "60 H4 bars and 10 days" in PAGE
    validate = re.search(r"`bells (data validate [^`]+)`", PAGE)[1].split()
    assert invoke([*validate, "--json"]) == 0


def test_a_kind_is_known_only_while_its_package_is_installed(installed):
    assert "toy" in kinds()
    sys.path.remove(str(installed.parents[1] / "site"))
    assert "toy" not in kinds()
    for kind in ("toy", "toy_venue:ToyVenue", "os:system"):
        with pytest.raises(ComponentNotFoundError):
            open_venue("toy", VenueSettings(kind=kind), environ={}, clock=SystemClock())
