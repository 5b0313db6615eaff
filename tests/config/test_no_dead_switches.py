"""Every configured value is read somewhere in the code, and every key stands in the files.

The reading side is found in the syntax tree: ``risk.max_leverage`` after ``risk = settings.system.risk``,
with plain assignments and annotations followed, counts as a read of ``system.risk.max_leverage``.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.config.instruments import Instrument
from pipeline.config.layers import leaves
from pipeline.config.regimes import ActivityRule
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System
from pipeline.config.valuation import ModelEntry

ROOT = Path(__file__).parents[2]
LAYERS = ("pipeline", "warehouse", "resources", "assets", "sensors", "service")

ONE_OF_EACH = {"activity", "multipliers"}
"""Mappings by name: what is below them are no keys of their own."""

FIELDS = [
    *(
        ("regimes", *path)
        for path, _value in leaves(load_settings(root=ROOT, environ={}).as_dict()["regimes"])
        if not ONE_OF_EACH & set(path)
    ),
    *(
        ("valuation", *path)
        for path, _value in leaves(load_settings(root=ROOT, environ={}).as_dict()["valuation"])
        if path[0] != "models"
    ),
    *(("valuation", "models", name) for name in ModelEntry.model_fields),
    *(("regimes", "activity", name) for name in ActivityRule.model_fields),
    ("regimes", "multipliers"),
    *(("chain", *path) for path, _value in leaves(load_settings(root=ROOT, environ={}).as_dict()["chain"])),
    *(
        ("service", *path)
        for path, _value in leaves(load_settings(root=ROOT, environ={}).as_dict()["service"])
    ),
    *(("system", *path) for path, _value in leaves(load_settings(root=ROOT, environ={}).as_dict()["system"])),
    *(("instruments", name) for name in Instrument.model_fields),
    *(("strategies", name) for name in StrategySettings.model_fields),
]
CLASSES = {"StrategySettings": "strategies", "Instrument": "instruments", "WarehouseSettings": "warehouse"}
CLASSES |= {name.capitalize(): name for name in System.model_fields}
OTHER_SETTINGS = {"self", "parameters", "world", "mapping"}
"""Names that hold the settings of a source, whose keys have their own test."""
CLASSES |= {"SampleChain": "sample", "CoinMetricsChain": "coinmetrics", "NodeChain": "node"}
CLASSES |= {"ChainSettings": "chain", "Cost": "cost", "Retention": "retention"}
CLASSES |= {"TrendRule": "trend", "VolRule": "vol", "RealisedRule": "realised", "MacroRule": "macro"}
CLASSES |= {"ActivityRule": "activity", "SlopeRule": "slope", "RegimeSettings": "regimes"}
CLASSES |= {
    "ValuationSettings": "valuation",
    "ModelEntry": "models",
    "ServiceSettings": "service",
    "FalsificationSettings": "falsification",
}
SHARED = {"equity": "trend", "crypto": "trend"}
"""Sections with one class for both."""


def modules() -> list[Path]:
    found = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    declared = ROOT / "pipeline" / "config"
    used = [path for path in found if path.parent != declared]
    return [*used, declared / "load.py", ROOT / "definitions.py"]


def reads_in(source: str) -> set[tuple[str, str]]:
    """Return (owner, attribute) of every attribute that is read."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            name = ast.unparse(node.annotation).strip("'\"").split(" |")[0].rsplit(".", 1)[-1]
            known |= {node.arg: CLASSES[name]} if name in CLASSES else {}
    for node in ast.walk(tree):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            for target in node.targets:
                both = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                pairs += zip(target.elts, node.value.elts, strict=False) if both else [(target, node.value)]
        elif isinstance(node, ast.For | ast.comprehension):
            pairs.append((node.target, node.iter))
        for target, value in pairs:
            last = target.elts[-1] if isinstance(target, ast.Tuple) and target.elts else target
            if isinstance(last, ast.Name) and (owner := _owner(value, known)):
                known[last.id] = owner
    return {
        (_owner(node.value, known) or "", node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def _owner(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        other = isinstance(node.value, ast.Name) and node.value.id in OTHER_SETTINGS
        return None if other else node.attr
    if isinstance(node, ast.Subscript):
        return _owner(node.value, known)
    if isinstance(node, ast.Call) and isinstance(
        node.func, ast.Attribute
    ):  # mapping.items(), .values(), .get()
        return _owner(node.func.value, known)
    if isinstance(node, ast.Call) and node.args:  # sorted(mapping.items())
        return _owner(node.args[0], known)
    return None


@cache
def reads() -> set[tuple[str, str]]:
    return {read for path in modules() for read in reads_in(path.read_text(encoding="utf-8"))}


def is_read(path: tuple[str, ...], found: set[tuple[str, str]]) -> bool:
    owners = {path[-2], "cost"} if "costs" in path else {path[-2], SHARED.get(path[-2], path[-2])}
    return any((owner, path[-1]) in found for owner in owners)


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_every_configured_value_is_read(path):
    assert is_read(path, reads()), f"nothing reads {'.'.join(path)}: read it, or delete the key"


def test_the_search_tells_a_read_from_a_mention():
    source = (
        "def f(limits: 'Risk', strategies, loaded):\n"
        "    store = loaded.settings.system.warehouse\n"
        "    for name, entry in strategies.items():\n"
        "        print(entry.status, 'keep')\n"
        "    keep = 3\n"
        "    loaded.settings.system.source = 'x'\n"
        "    return limits.max_leverage, store.path, other.threads\n"
    )
    found = reads_in(source)
    for read in (("risk", "max_leverage"), ("warehouse", "path"), ("strategies", "status")):
        assert read in found
    for mention in (("logging", "keep"), ("warehouse", "threads"), ("system", "source")):
        assert mention not in found


def test_system_yaml_mentions_every_key():
    loaded = load_settings(root=ROOT, environ={})
    left_out = [path for path, source in loaded.origin.items() if source == "default"]
    assert [path for path in left_out if path.startswith("system.")] == []
