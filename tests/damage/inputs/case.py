"""One damaged input, what must be said about it, and how a case is judged through ``bells data update``."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

from tests.damage.case import TRACEBACK, UPDATE, Answer, captured
from tests.damage.inputs.market import Files, mapping

FAULTS = ("silent", "wrong_exit", "unnamed", "tracebacks")
Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


@dataclass(frozen=True)
class Input:
    """A damaged file and its expected end.

    Parameters
    ----------
    kind, name
        Family of the damage; what tells it from others of the family.
    file
        Which file of `market` is damaged; it comes first in the mapping.
    change
        From clean rows, and numbers drawn from the case's seed, to damaged ones.
    rules
        Every one must be named by a finding, a gap or a failure that the clean files do not have.
    code
        Exit code of the update.
    words
        Text that the answer must contain.
    beside
        Further files, undamaged.
    bytewise
        Breaks the written file itself.
    entry
        Keys laid over the file's entry of the mapping.
    before
        Whether the clean files are brought in first.
    seed
        Of the numbers drawn.
    """

    kind: str
    name: str
    file: str
    change: Change = lambda rows, _rng: rows
    rules: frozenset[str] = frozenset()
    code: int = 0
    words: str = ""
    beside: tuple[str, ...] = ()
    bytewise: Callable[[Path], object] | None = None
    entry: Mapping[str, Any] | None = None
    before: bool = False
    seed: int = 0

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file, *self.beside)


@dataclass(frozen=True, eq=False)
class Desk:
    """A home whose warehouse has its tables and no rows; every case works on a copy."""

    home: Path
    clean: dict[tuple[int, tuple[str, ...]], frozenset[tuple[Any, ...]]] = field(default_factory=dict)

    @classmethod
    def build(cls, home: Path) -> "Desk":
        """Make the home."""
        desk = cls(home)
        home.mkdir(parents=True)
        with _here(home, home / "none.yaml"):
            from resources.desk import open_desk

            open_desk({**os.environ, "EIGHTBELLS_SOURCE": "sample"}).warehouse.migrate()
        return desk


def judge(case: Input, files: Files, desk: Desk) -> dict[str, str]:
    """Damage the files, update, and return what is wrong with the answer, by `FAULTS`."""
    with tempfile.TemporaryDirectory(prefix="input-") as place:
        folder, home = Path(place) / "bars", Path(place) / "home"
        shutil.copytree(desk.home, home)
        folder.mkdir()
        _write(folder, {name: files[name] for name in case.files}, mapping(case.files, case.entry))
        if case.before:
            assert _update(folder, home).code == 0
        damaged = case.change(files[case.file], np.random.default_rng(case.seed))
        damaged.write_parquet(folder / f"{case.file}.parquet")
        if case.bytewise is not None:
            case.bytewise(folder / f"{case.file}.parquet")
        answer = _update(folder, home)
    said = answer.out + answer.err
    found = {rule for rule, *_ in told(answer) - clean_findings(case.files, files, desk)}
    ends = {
        "silent": "" if found or answer.code else "nothing is said",
        "wrong_exit": ""
        if answer.code == case.code
        else f"{answer.code} instead of {case.code}: {said[-400:]}",
        "unnamed": ""
        if case.rules <= found and case.words in said
        else f"found {sorted(found)}: {said[-600:]}",
        "tracebacks": answer.err if TRACEBACK.search(said) else "",
    }
    return {name: text for name, text in ends.items() if text}


def clean_findings(names: tuple[str, ...], files: Files, desk: Desk) -> frozenset[tuple[Any, ...]]:
    """Return what an update of the undamaged files has to say."""
    key = (id(files), names)
    if key not in desk.clean:
        with tempfile.TemporaryDirectory(prefix="input-") as place:
            folder, home = Path(place) / "bars", Path(place) / "home"
            shutil.copytree(desk.home, home)
            folder.mkdir()
            _write(folder, {name: files[name] for name in names}, mapping(names))
            desk.clean[key] = told(_update(folder, home))
    return desk.clean[key]


def told(answer: Answer) -> frozenset[tuple[Any, ...]]:
    """Return ``(rule, symbol, first label)`` of everything that an update names."""
    if not answer.out.strip():
        return frozenset()
    said = json.loads(answer.out)
    gaps = {("gap", gap["symbol"], gap["first"], gap["missing"]) for gap in said.get("gaps", ())}
    findings = {(f["rule"], f["symbol"], f["ts"], f["count"]) for f in said.get("findings", ())}
    failures = {("failure", f["symbol"], f["reason"]) for f in said.get("failures", ())}
    return frozenset(gaps | findings | failures)


def _write(folder: Path, frames: Mapping[str, pl.DataFrame], text: str) -> None:
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "source.yaml").write_text(text, encoding="utf-8")


def _update(folder: Path, home: Path) -> Answer:
    with _here(home, folder / "source.yaml"):
        return captured(UPDATE)


@contextmanager
def _here(home: Path, source: Path) -> Iterator[None]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("EIGHTBELLS_")}
    ours = {
        "EIGHTBELLS_HOME": str(home),
        "EIGHTBELLS_SOURCE": "files",
        "EIGHTBELLS_SYSTEM__FILES_MAPPING": str(source),
        "DAGSTER_HOME": str(home / "dagster"),
    }
    with patch.dict(os.environ, {**kept, **ours}, clear=True):
        yield
