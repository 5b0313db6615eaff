"""The import graph runs one way, has no circle, and loading the code location stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "pipeline": set(),
    "warehouse": {"pipeline"},
    "resources": {"pipeline", "warehouse"},
    "assets": {"pipeline", "warehouse", "resources"},
    "sensors": {"pipeline", "warehouse", "resources", "assets"},
    "service": {"pipeline", "warehouse", "resources", "assets"},
}
HEAVY = (
    "ccxt",
    "alpaca",
    "sklearn",
    "scipy.stats",
    "numba",
    "pandas",
    "polars",
    "exchange_calendars",
    "plotly",
    "matplotlib",
    "pymoo",
)
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
MOST_LINES = 400
MODULES = sorted(path for layer in MAY_IMPORT for path in (ROOT / layer).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Dotted names that a module imports, in functions and for types alone too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers_import_downwards_only(path):
    layer = path.relative_to(ROOT).parts[0]
    used = imports_of(path)
    tops = {name.split(".")[0] for name in used}
    forbidden = set(MAY_IMPORT) - {layer} - MAY_IMPORT[layer]
    if layer in {"pipeline", "warehouse"}:
        forbidden |= {"dagster", "dagster_duckdb"}
    if layer == "pipeline":
        forbidden |= {"duckdb", "httpx", "requests"}
    if not path.is_relative_to(ROOT / "service" / "cli"):
        forbidden |= {"definitions"}
    assert not tops & forbidden


def test_no_module_is_part_of_a_circle():
    names = {dotted(path): path for path in MODULES}
    graph = {
        name: {used for used in imports_of(path) if used in names and used != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        for used in sorted(graph[name]):
            walk(used, (*trail, name))
        done.add(name)

    for name in sorted(graph):
        walk(name, ())


def test_no_room_of_the_assets_is_part_of_a_circle():
    """Rooms are the folders; what lies beside them is for all of them."""
    uses = {}
    for path in (ROOT / "assets").rglob("*.py"):
        room = path.parent.name
        if room != "assets":
            used = {name.split(".")[1] for name in imports_of(path) if name.startswith("assets.")}
            uses.setdefault(room, set()).update(used - {room})
    left = {room: used & set(uses) for room, used in uses.items()}
    while free := {room for room, used in left.items() if not used}:
        left = {room: used - free for room, used in left.items() if room not in free}
    assert left == {}


def test_modules_keep_to_one_idea():
    for path in MODULES:
        assert path.stem not in FORBIDDEN_NAMES, path
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{path} has {lines} lines: split it"


def test_every_module_says_what_belongs_in_it():
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_only_the_clock_reads_the_time():
    readers = {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
    for path in MODULES:
        if path == ROOT / "resources" / "clock.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called not in readers, f"{path}:{node.lineno} reads the time"


def test_loading_definitions_imports_nothing_heavy(tmp_path):
    code = f"import sys, definitions; print([m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={"EIGHTBELLS_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert run.stdout.strip() == "[]"
