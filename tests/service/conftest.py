"""The ``bells`` command in this process, on a home of its own and a small folder of bars."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resources.home import ROOT
from service.cli.main import invoke
from tests.support.bars_folder import write_folder


@dataclass(frozen=True)
class Answer:
    """What a command said, and the code it left with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The mapping of a folder of bars, written once; nobody changes it."""
    return write_folder(tmp_path_factory.mktemp("bars"))


def point_to(patch: pytest.MonkeyPatch, home: Path, mapping: Path) -> None:
    for name in [name for name in os.environ if name.startswith("EIGHTBELLS_")]:
        patch.delenv(name)
    patch.setenv("EIGHTBELLS_HOME", str(home))
    patch.setenv("EIGHTBELLS_SOURCE", "files")
    patch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(mapping))
    patch.setenv("DAGSTER_HOME", str(home / "dagster"))


@pytest.fixture
def home(tmp_path, monkeypatch, folder) -> Path:
    """An empty home that the environment names, with the folder of bars as source."""
    path = tmp_path / "home"
    point_to(monkeypatch, path, folder)
    return path


@pytest.fixture
def bells(home, capsys) -> Callable[..., Answer]:
    """Run one command line in this process."""

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def updated(tmp_path_factory, folder) -> Path:
    """A home whose warehouse holds the folder's bars; tests copy it."""
    path = tmp_path_factory.mktemp("updated") / "home"
    with pytest.MonkeyPatch.context() as patch:
        point_to(patch, path, folder)
        assert invoke(["data", "update", "--json"]) == 0
    return path


@pytest.fixture
def stored(home, updated) -> Path:
    """The home of this test with the folder's bars in its warehouse."""
    shutil.copytree(updated, home)
    return home


@pytest.fixture
def process() -> Callable[..., subprocess.Popen]:
    """Start ``bells`` in a process of its own, with this test's environment."""
    started = []

    def run(*arguments: str) -> subprocess.Popen:
        begun = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(begun)
        return begun

    yield run
    for begun in started:
        if begun.poll() is None:
            begun.kill()
        begun.communicate()
