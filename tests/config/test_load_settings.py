"""Which value wins, where it came from, and what its hash covers."""

import hashlib
import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Settings, canonical_hash, load_settings, parse_assignment
from pipeline.config.instruments import AssetClass
from pipeline.config.layers import Layers, leaves
from pipeline.config.system import System
from pipeline.errors import ConfigError

ROOT = Path(__file__).parents[2]
CAP = "system.risk.per_asset_cap"


def test_the_shipped_files_are_valid_and_every_field_has_a_line():
    loaded = load_settings(root=ROOT, environ={})
    assert loaded.settings.system.risk.per_asset_cap == 0.40
    assert loaded.settings.instruments["BTC/USD"].asset_class is AssetClass.CRYPTO
    assert not loaded.settings.instruments["VIX"].tradable
    assert loaded.settings.strategies["EquityTrend"].universe == ("SPY", "QQQ")
    assert set(loaded.origin) == {".".join(path) for path, _value in leaves(loaded.as_dict())}
    lines = {path: where for path, where in loaded.origin.items() if not path.endswith(".symbol")}
    for path, where in lines.items():
        name, number = where.split(":")
        text = (ROOT / name).read_text().splitlines()[int(number) - 1]
        assert f"{path.rsplit('.', 1)[-1]}:" in text, f"{path} does not stand in {where}: {text}"


def test_the_file_says_what_the_code_takes_as_default():
    loaded = load_settings(root=ROOT, environ={})
    assert loaded.settings.system == System()


def test_a_field_left_out_takes_its_default(tree):
    tree.replace("system", "  max_leverage: 1.2\n", "")
    loaded = tree.load()
    assert loaded.settings.system.risk.max_leverage == 1.2
    assert loaded.origin["system.risk.max_leverage"] == "default"
    assert loaded.origin[CAP].startswith("configs/base/system.yaml:")


def test_the_later_layer_wins_and_every_field_knows_who_set_it(tree):
    path = tree.experiment(
        "experiment:\n  name: tried\n  description: Half\n  overrides:\n    risk:\n      per_asset_cap: 0.3\n"
    )
    variable = {"EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP": "0.2"}
    option = {"risk.per_asset_cap": "0.1"}
    layers = [
        ({}, 0.4, f"configs/base/system.yaml:{tree.line('system', 'per_asset_cap')}"),
        ({"experiment": path}, 0.3, "configs/experiments/tried.yaml:6"),
        (
            {"experiment": path, "environ": variable},
            0.2,
            "environment EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP",
        ),
        ({"experiment": path, "environ": variable, "overrides": option}, 0.1, "command line"),
    ]
    for given_layers, value, source in layers:
        loaded = tree.load(**given_layers)
        assert loaded.settings.system.risk.per_asset_cap == value
        assert loaded.origin[CAP] == source
        assert loaded.origin["system.risk.max_leverage"].startswith("configs/base/system.yaml:")
    assert loaded.experiment.name == "tried"


def test_mappings_are_merged_and_lists_replaced(tree):
    path = tree.experiment(
        "experiment:\n"
        "  name: tried\n"
        "  description: One fund, one cost\n"
        "  overrides:\n"
        "    costs: {equity: {fee_bps: 3.0}}\n"
        "    strategies.EquityTrend:\n"
        "      universe: [QQQ]\n"
        "      parameters: {sma_days: 150}\n"
    )
    loaded = tree.load(experiment=path)
    base = tree.load()
    assert loaded.settings.system.costs.equity.fee_bps == 3.0
    assert loaded.settings.system.costs.equity.slippage_bps == 5.0
    assert loaded.settings.strategies["EquityTrend"].universe == ("QQQ",)
    changed = {**base.settings.strategies["EquityTrend"].parameters, "sma_days": 150}
    assert loaded.settings.strategies["EquityTrend"].parameters == changed
    assert loaded.origin["strategies.EquityTrend.universe"] == "configs/experiments/tried.yaml:7"
    assert loaded.origin["strategies.EquityTrend.parameters.sma_days"] == "configs/experiments/tried.yaml:8"


SHIPPED = sorted((ROOT / "configs" / "experiments").glob("*.yaml"))


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if "method:" not in path.read_text()], ids=lambda p: p.name
)
def test_every_shipped_experiment_changes_what_it_says(path):
    base, tried = load_settings(root=ROOT, environ={}), load_settings(root=ROOT, environ={}, experiment=path)
    assert tried.config_hash != base.config_hash
    named = f"configs/experiments/{path.name}:"
    changed = {name for name, where in tried.origin.items() if where.startswith(named)}
    before, after = (dict(leaves(loaded.as_dict())) for loaded in (base, tried))
    assert changed
    assert changed == {".".join(leaf) for leaf in after if before[leaf] != after[leaf]}


def test_a_dotted_path_reaches_symbols_and_keys_with_dots(tree):
    tree.file("instruments").open("a").write(
        "BRK.B: {asset_class: equity, venue: alpaca, calendar: XNYS, currency: USD, tick: 0.01, lot: 0.0,"
        " min_notional: 1.0}\n"
    )
    loaded = tree.load(overrides={"instruments.BRK.B.tick": "0.05", "instruments.BTC/USD.tick": 0.5})
    assert loaded.settings.instruments["BRK.B"].tick == 0.05
    assert loaded.settings.instruments["BTC/USD"].tick == 0.5


def test_dates_become_instants_in_utc(tree):
    tree.replace("system", "  start: null ", "  start: 2020-01-31 ")
    loaded = tree.load(overrides={"backtest.end": "2020-06-01T02:00:00+02:00"})
    assert loaded.settings.system.backtest.start == datetime(2020, 1, 31, tzinfo=UTC)
    assert loaded.settings.system.backtest.end == datetime(2020, 6, 1, tzinfo=UTC)
    assert loaded.as_dict()["system"]["backtest"]["end"] == "2020-06-01T00:00:00+00:00"


def test_the_hash_changes_with_every_value_that_can_change_a_result_and_with_no_other(tree):
    base = tree.load()
    free = {
        "data_dir": "/elsewhere",
        "files_mapping": "other.yaml",
        "warehouse.threads": 1,
        "warehouse.retention.snapshots": 9,
        "logging.level": "debug",
        "freshness.h4_hours": 9,
        "checks.max_missing_share": 0.5,
        "strategies.EquityTrend.description": "Other words",
        "strategies.EquityTrend.status": "paper",
    }
    for path, value in free.items():
        assert tree.load(overrides={path: value}).config_hash == base.config_hash, path
    counted = {
        "source": "files",
        "backtest.initial_nav": 5000,
        "backtest.carry_unfilled": True,
        "risk.drawdown_release": 0.11,
        "trading.volume_lookback": 21,
        "costs.crypto.fee_bps": 11,
        "instruments.SPY.lot": 1,
        "strategies.EquityTrend.version": "1.0.1",
        "strategies.EquityTrend.universe": ["SPY"],
        "strategies.EquityTrend.parameters.sma_days": 201,
    }
    hashes = {tree.load(overrides={path: value}).config_hash for path, value in counted.items()}
    assert len(hashes | {base.config_hash}) == len(counted) + 1


def test_the_hash_does_not_depend_on_order_or_on_which_layer_said_it(tree):
    base = tree.load().config_hash
    text = tree.file("system").read_text()
    head, tail = text.split("trading:", 1)
    trading, rest = tail.split("costs:", 1)
    tree.file("system").write_text(f"{head}costs:{rest}\ntrading:{trading}")
    assert tree.load().config_hash == base
    assert (
        tree.load(overrides={"trading.volume_lookback": "20", "risk.per_asset_cap": 0.4}).config_hash == base
    )


def test_the_canonical_hash_is_pinned():
    text = '{"a":[1,2.5,null,true],"b":"\\u00e9"}'
    assert canonical_hash({"b": "é", "a": [1, 2.5, None, True]}) == hashlib.sha256(text.encode()).hexdigest()
    with pytest.raises(ValueError):
        canonical_hash({"a": math.nan})


def test_the_data_folder_is_the_one_named_else_the_one_beside_the_project(tree):
    assert tree.load().data_dir is None
    (tree.root.parent / "shared" / "data").mkdir(parents=True)
    assert tree.load().data_dir == tree.root.parent / "shared" / "data"
    assert tree.load(environ={"EIGHTBELLS_DATA": "/mnt/bars"}).data_dir == Path("/mnt/bars")
    assert tree.load(overrides={"data_dir": "bars"}).data_dir == tree.root / "bars"


def test_settings_cannot_be_changed_afterwards(tree):
    loaded = tree.load()
    with pytest.raises(ValueError):
        loaded.settings.system.risk.per_asset_cap = 0.9


def test_where_names_the_nearest_line(tree):
    loaded = tree.load()
    line = tree.line("strategies", "sma_days")
    assert loaded.where(("strategies", "EquityTrend", "parameters", "sma_days")).endswith(
        f"strategies.yaml:{line}"
    )


def test_an_assignment_is_split_at_the_first_equals_sign():
    assert parse_assignment("strategies.A.parameters.x=a=b") == ("strategies.A.parameters.x", "a=b")
    for text in ("risk.per_asset_cap", "=0.3", " = 1"):
        with pytest.raises(ConfigError, match="not an assignment"):
            parse_assignment(text)


_TREES = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=8,
)


def merged(under, over):
    """Merge two trees, written without the layers."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {key: merged(under[key], over[key]) if key in under and key in over else {**under, **over}[key]
            for key in {**under, **over}}  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), _TREES, min_size=1), min_size=1, max_size=4))
def test_layers_merge_as_a_plain_recursion_does_and_every_leaf_names_the_last_layer_that_set_it(trees):
    layers, expected = Layers(), {}
    for number, tree in enumerate(trees):
        layers.put((), json.loads(json.dumps(tree)), f"layer {number}")
        expected = merged(expected, tree)
    assert layers.data == expected
    for path, value in leaves(layers.data):
        setters = [number for number, tree in enumerate(trees) if dict(leaves(tree)).get(path, ...) == value]
        assert layers.source(path) == f"layer {setters[-1]}"


def test_loading_the_settings_imports_nothing_heavy():
    code = (
        "import sys, pathlib; from pipeline.config import load_settings;"
        f"load_settings(root=pathlib.Path({str(ROOT)!r}), environ={{}});"
        "heavy = ('numpy', 'polars', 'numba', 'pandas', 'duckdb', 'dagster', 'scipy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


def test_every_section_is_a_field_of_the_settings():
    from pipeline.config.settings import SECTIONS

    assert tuple(Settings.model_fields) == SECTIONS
