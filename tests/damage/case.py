"""One damage, the command that meets it, and what must then be true."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import polars as pl

from service.cli.main import invoke
from tests.damage.room import CODE, Room, copied, unlike

UPDATE = ("data", "update", "--json")
STATUS = ("data", "status", "--json")
TRACEBACK = re.compile(r"Traceback \(most recent call last\)|^\s+File \".*\", line \d+", re.MULTILINE)
SAYS = ("field", "constraint", "fix")
"""What every message names; the doctor says where, what and fix."""
FAULTS = ("wrong_exit", "tracebacks", "warehouse_changed", "unclear")

START_IN = """
import sys, pathlib, resources.desk
resources.desk.ROOT = pathlib.Path(sys.argv[1])
from service.cli.main import main
main(sys.argv[2:])
"""
"""``bells`` in a process of its own, with the configuration of a room."""


@dataclass(frozen=True)
class Case:
    """A damage and its expected end.

    Parameters
    ----------
    kind
        The family of the damage; cases of one kind differ in the place they hit.
    name
        Unique words for people.
    damage
        Breaks the room.
    code
        Exit code by DESIGN section 7.
    words
        Pattern that the message must contain.
    command
        What a person would run.
    keeps
        ``file``: the warehouse is the same file, byte for byte; ``bars``: whatever a decision could read is
        unchanged; None: honest new rows come in.
    rules
        Rules that quarantine must name afterwards.
    environ
        Variables on top of the room's.
    """

    kind: str
    name: str
    damage: Callable[[Room], object] = lambda _room: None
    code: int = 1
    words: str = ""
    command: tuple[str, ...] = UPDATE
    keeps: Literal["file", "bars"] | None = "file"
    rules: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Answer:
    """What a command said, and the code it left with."""

    code: int
    out: str
    err: str


def in_process(room: Room, command: tuple[str, ...]) -> Answer:
    """Run the command in this process."""
    with room.here():
        return captured(command)


def captured(command: tuple[str, ...]) -> Answer:
    """Run a command in this process, whose environment is already right."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke(list(command))
    return Answer(code, out.getvalue(), err.getvalue())


def as_process(room: Room, command: tuple[str, ...]) -> Answer:
    """Run the command as a person would, in a process of its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("EIGHTBELLS_")}
    done = subprocess.run(
        [sys.executable, "-c", START_IN, str(room.root), *command],
        cwd=CODE,
        env={**kept, **room.variables()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def faults(
    case: Case, template: Room, run: Callable[[Room, tuple[str, ...]], Answer] = in_process
) -> dict[str, str]:
    """Damage a copy of the room, run the command, and return what is wrong with how it ended, by `FAULTS`."""
    with copied(template) as room:
        room.environ.update(case.environ)
        case.damage(room)
        mark = room.mark()
        answer = run(room, tuple(text.replace("{room}", str(room.path)) for text in case.command))
        found = {
            "wrong_exit": _wrong_exit(case, answer),
            "tracebacks": answer.err if TRACEBACK.search(answer.out + answer.err) else "",
            "warehouse_changed": "the file has changed"
            if case.keeps == "file" and room.mark() != mark
            else "",
            "unclear": _unclear(case, answer),
        }
        if case.keeps == "bars" or case.rules:
            (before, _), (after, rules) = _sound(template), room.seen()
            changed = unlike(before, after) if case.keeps == "bars" else []
            found["warehouse_changed"] += f"read differently: {changed}" if changed else ""
            found["warehouse_changed"] += "" if set(case.rules) <= rules else f"quarantine has only {rules}"
    return {name: text for name, text in found.items() if text}


@cache
def _sound(template: Room) -> tuple[dict[str, pl.DataFrame], set[str]]:
    return template.seen()


def _wrong_exit(case: Case, answer: Answer) -> str:
    return "" if answer.code == case.code else f"{answer.code} instead of {case.code}: {answer.err[-600:]}"


def _unclear(case: Case, answer: Answer) -> str:
    said = answer.out + answer.err
    told = {"fix"} if case.command[0] == "doctor" else SAYS
    lacks = [] if answer.code == 0 else [part for part in told if not re.search(rf"\b{part}\b\W", said)]
    if "unexpected " in said and "report that file" in said:
        lacks.append("a cause")
    if not re.search(case.words, said):
        lacks.append(f"the words {case.words!r}")
    if "--json" in case.command and not _one_object(answer.out):
        lacks.append("one JSON object on stdout")
    return f"lacks {', '.join(lacks)}: {said[-800:]}" if lacks else ""


def _one_object(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) == 1 and isinstance(json.loads(lines[0]), dict)
