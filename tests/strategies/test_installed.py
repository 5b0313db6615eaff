"""Strategies of installed packages: found by entry point, held to the port, never named by a path."""

import importlib
import sys

import pytest

from pipeline.errors import ComponentNotFoundError, ConfigError, TamperedError
from pipeline.strategies.installed import GROUP, installed
from pipeline.strategies.lock import lock_of, require_unchanged
from pipeline.strategies.registry import STRATEGIES, kind_of, names, origin_of, parameters, strategy

GOOD = """
from dataclasses import dataclass
import numpy as np
from pipeline.strategies.port import Parameters

class P(Parameters):
    days: int = 5

@dataclass(frozen=True)
class Toy:
    name = "Toy"
    version = "1.2.3"
    params_model = P
    regimes = ()
    universe: tuple[str, ...] = ("SPY",)

    def features(self, params):
        return (f"sma_{params.days}d",)

    def weights(self, context, params):
        return np.zeros(context.shape)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package beside this environment, as pip would into a folder of its own."""
    placed = []

    def put(text, *, name="Toy", module="toy_strategy", package="toy-pack", version="0.3"):
        site = tmp_path / package
        site.mkdir()
        (site / f"{module}.py").write_text(text)
        info = site / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:Toy\n")
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        placed.append(module)
        return site / f"{module}.py"

    yield put
    for module in placed:
        sys.modules.pop(module, None)


def test_an_installed_strategy_is_one_of_the_strategies_with_its_package_as_origin(install):
    assert "Toy" not in names()
    install(GOOD)
    assert installed() == ("Toy",)
    assert names() == (*STRATEGIES, "Toy")
    chosen = strategy("Toy", ["QQQ", "SPY"], version="1.2.3")
    assert chosen.universe == ("QQQ", "SPY")
    assert parameters(chosen, {"days": 9}).days == 9
    assert (origin_of("Toy"), origin_of("EquityTrend")) == ("toy-pack 0.3", "built in")


def test_listing_names_runs_nothing_of_a_package(install):
    install("raise SystemExit('ran')")
    assert "Toy" in names()
    assert "toy_strategy" not in sys.modules


@pytest.mark.parametrize("name", ["toy_strategy:Toy", "os:system", "toy_strategy", "./toy.py"])
def test_a_module_or_a_file_is_no_strategy(name, install):
    install(GOOD)
    with pytest.raises(ComponentNotFoundError):
        strategy(name)
    assert "toy_strategy" not in sys.modules


def test_another_version_of_an_installed_strategy_is_refused(install):
    install(GOOD)
    with pytest.raises(ConfigError, match=r"1\.2\.3, the version of the code"):
        strategy("Toy", version="1.2.2")


def test_a_package_that_does_not_import_is_named(install):
    install("import nowhere_to_be_found")
    with pytest.raises(ConfigError, match=r"cannot be imported.*toy-pack 0\.3"):
        kind_of("Toy")


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ('name = "Toy"', 'name = "Tory"', "Toy.name", "'Toy'"),
        ('version = "1.2.3"', 'version = "1.2"', "Toy.version", "MAJOR.MINOR.PATCH"),
        ('version = "1.2.3"', "", "Toy.version", "MAJOR.MINOR.PATCH"),
        ("class P(Parameters)", "class P", "Toy.params_model", "Parameters"),
        ("regimes = ()", 'regimes = ("weather",)', "Toy.regimes", "equity, vol, crypto, macro"),
        ("def features", "def feature", "Toy.features", "a method"),
        ("def weights", "def weight", "Toy.weights", "a method"),
        ("universe: tuple[str, ...] =", "universe =", "Toy.universe", "a field of a dataclass"),
        ('] = ("SPY",)', "]", "Toy.universe", "all have defaults"),
        ("regimes = ()", 'regimes = ()\n    urgency = "asap"', "Toy.urgency", "low, normal, high"),
        ("regimes = ()", "regimes = ()\n    horizon = 5", "Toy.horizon", "intraday, swing, position"),
    ],
)
def test_what_does_not_fit_the_port_is_named_with_its_rule(install, old, new, field, rule):
    assert old in GOOD
    install(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match="does not fit the port") as refused:
        strategy("Toy")
    assert refused.value.field == field
    assert rule in refused.value.constraint


def test_two_packages_with_one_strategy_are_refused(install):
    install(GOOD)
    install(GOOD, module="other_strategy", package="other-pack")
    with pytest.raises(ConfigError, match="two packages") as refused:
        strategy("Toy")
    assert refused.value.value == ["other-pack 0.3", "toy-pack 0.3"]


def test_a_package_cannot_take_the_place_of_a_strategy_that_ships(install):
    install(GOOD, name="EquityTrend")
    assert kind_of("EquityTrend") is STRATEGIES["EquityTrend"]
    assert names() == tuple(STRATEGIES)
    with pytest.raises(ConfigError, match=r"toy-pack 0\.3"):
        origin_of("EquityTrend")


def test_a_lock_says_version_origin_and_text(install):
    install(GOOD)
    lock = lock_of(strategy("Toy"))
    assert (lock.name, lock.version, lock.origin, lock.built_in) == ("Toy", "1.2.3", "toy-pack 0.3", False)
    assert len(lock.digest) == 64
    assert lock_of(strategy("EquityTrend")).built_in


def test_code_that_changes_under_a_run_is_noticed(install):
    path = install(GOOD)
    chosen = strategy("Toy")
    lock = lock_of(chosen)
    require_unchanged(lock, chosen)
    path.write_text(GOOD + "\n# another text of the same version\n")
    assert lock_of(chosen) == lock, "what is loaded is what was loaded"
    with pytest.raises(TamperedError, match=r"Toy 1\.2\.3 changed") as changed:
        require_unchanged(lock, chosen)
    assert changed.value.field == "digest"
    assert changed.value.exit_code == 5
