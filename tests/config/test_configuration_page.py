"""docs/configuration.md and .env.example say what the code does."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.config import Loaded, canonical_hash, load_settings
from pipeline.config.chain import ChainSettings
from pipeline.config.document import parse_scalar
from pipeline.config.instruments import Instrument
from pipeline.config.layers import leaves
from pipeline.config.load import NOT_IN_HASH
from pipeline.config.regimes import ActivityRule, RegimeSettings
from pipeline.config.service import ServiceSettings
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System
from pipeline.config.valuation import ModelEntry, ValuationSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_settings(root=ROOT, environ={})


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_lists_every_key_of_system_yaml_with_its_default(loaded):
    shown = {key: parse_scalar(default, key) for key, default, _meaning in rows("system.yaml")}
    assert shown == {".".join(path): value for path, value in leaves(loaded.as_dict()["system"])}


def test_the_meanings_are_those_of_the_declarations():
    for key, _default, meaning in rows("system.yaml"):
        model = System
        *parents, name = key.split(".")
        for parent in parents:
            model = model.model_fields[parent].annotation
        assert model.model_fields[name].description == meaning, key


def test_the_page_lists_every_key_of_the_regimes_with_its_default_and_its_meaning(loaded):
    configured = {
        path: value
        for path, value in leaves(loaded.as_dict()["regimes"])
        if path[0] != "multipliers" and path[:2] != ("macro", "activity")
    }
    whole = {row[0]: row for row in rows("regimes.yaml") if len(row) == 3}
    assert {key: parse_scalar(row[1], key) for key, row in whole.items()} == {
        ".".join(path): value for path, value in configured.items()
    }
    for key, row in whole.items():
        model = RegimeSettings
        *parents, name = key.split(".")
        for parent in parents:
            model = model.model_fields[parent].annotation
        assert model.model_fields[name].description == row[2], key
    activity = {row[0]: row[1] for row in rows("regimes.yaml") if len(row) == 2}
    assert activity == {name: field.description for name, field in ActivityRule.model_fields.items()}


def test_the_page_lists_every_key_of_the_valuation_with_its_default_and_its_meaning(loaded):
    configured = {path: value for path, value in leaves(loaded.as_dict()["valuation"]) if path[0] != "models"}
    whole = {row[0]: row for row in rows("valuation.yaml") if len(row) == 3}
    assert {key: parse_scalar(row[1], key) for key, row in whole.items()} == {
        ".".join(path): value for path, value in configured.items()
    }
    for key, row in whole.items():
        model = ValuationSettings
        *parents, name = key.split(".")
        for parent in parents:
            model = model.model_fields[parent].annotation
        assert model.model_fields[name].description == row[2], key
    entry = {row[0]: row[1] for row in rows("valuation.yaml") if len(row) == 2}
    assert entry == {name: field.description for name, field in ModelEntry.model_fields.items()}


def test_the_page_lists_every_key_of_the_service_with_its_default_and_its_meaning(loaded):
    configured = {".".join(path): value for path, value in leaves(loaded.as_dict()["service"])}
    assert {row[0]: parse_scalar(row[1], row[0]) for row in rows("service.yaml")} == configured
    for key, _default, meaning in rows("service.yaml"):
        model = ServiceSettings
        *parents, name = key.split(".")
        for parent in parents:
            model = model.model_fields[parent].annotation
        assert model.model_fields[name].description == meaning, key


def test_the_page_lists_every_key_of_the_chain_with_its_default_and_its_meaning(loaded):
    configured = {".".join(path): value for path, value in leaves(loaded.as_dict()["chain"])}
    assert {row[0]: parse_scalar(row[1], row[0]) for row in rows("chain.yaml")} == configured
    for key, _default, meaning in rows("chain.yaml"):
        model = ChainSettings
        *parents, name = key.split(".")
        for parent in parents:
            model = model.model_fields[parent].annotation
        assert model.model_fields[name].description == meaning, key


def test_the_page_lists_every_key_of_an_instrument_and_of_a_strategy():
    assert [row[0] for row in rows("instruments.yaml")] == [
        key for key in Instrument.model_fields if key != "symbol"
    ]
    assert [row[0] for row in rows("strategies.yaml")] == list(StrategySettings.model_fields)


def test_the_experiment_shown_is_the_one_that_ships():
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section("Which value wins"), re.DOTALL)[1])
    shipped = yaml.safe_load((ROOT / "configs" / "experiments" / "cautious.yaml").read_text())
    assert shown == shipped


def test_what_the_hash_leaves_out_is_what_the_page_says(loaded):
    words = section("The configuration hash")
    for path in NOT_IN_HASH:
        assert path[-1] in words
        assert ("`system." + path[-1] in words) == (path[0] == "system")
    assert len(loaded.config_hash) == len(canonical_hash({})) == 64


def test_every_variable_of_the_example_is_known():
    lines = (ROOT / ".env.example").read_text().splitlines()
    names = [line.split("=")[0] for line in lines if line and not line.startswith("#")]
    values = dict.fromkeys(names, "5")
    values |= {"EIGHTBELLS_SOURCE": "files", "EIGHTBELLS_HOME": "/x", "EIGHTBELLS_DATA": "/y"}
    origin = load_settings(root=ROOT, environ=values).origin
    used = {
        where.removeprefix("environment ") for where in origin.values() if where.startswith("environment ")
    }
    files = "".join(path.read_text() for path in sorted((ROOT / "configs" / "sources").glob("*.yaml")))
    keys = set(re.findall(r"_env: (\w+)", files))
    assert used | {"EIGHTBELLS_HOME"} | keys == set(names)
