"""No dead switches: every key of the sample world changes it, and a wrong one is refused with a fix."""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.errors import ConfigError
from pipeline.market.sample.parameters import WorldParameters
from pipeline.market.sample.regimes import plant
from pipeline.market.sample.world import World
from resources.market.sample import SampleSource
from resources.market.settings import read_settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "configs/sources/sample.yaml"
SETTINGS = read_document(FILE).data
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
INSTRUMENTS["VXN"] = INSTRUMENTS["VIX"].model_copy(update={"symbol": "VXN"})
NOW = datetime(2020, 3, 2, tzinfo=UTC)
OTHER_WORDS = {"SPY": "QQQ", "VIX": "VXN", "bull": "bear", "low": "high", "risk_off": "risk_on"}
OTHER_WORDS |= {"expansion": "contraction", "2019-01-01": "2019-01-02"}


def leaves(tree, path=()):
    if isinstance(tree, dict | list):
        for key, below in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(below, (*path, key))
    else:
        yield path, tree


def replaced(tree, path, value):
    made = copy.deepcopy(tree)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


def another(value):
    if isinstance(value, str):
        return OTHER_WORDS.get(value, f"{value}_2")
    return value + 1 if isinstance(value, int) else value * 1.01


def quick():
    """Return the shipped settings with regimes a tenth as long, so that a year sees all of them."""
    made = copy.deepcopy(SETTINGS)
    for chain in made["regimes"].values():
        for spell in chain["states"].values():
            spell["mean_days"] /= 10
            spell["least_days"] //= 10
    for law in made["classes"].values():
        law["jumps"]["per_year"] *= 10
    return made


def frames(settings):
    world = World(WorldParameters.model_validate(settings), INSTRUMENTS)
    return [world.bars_h4(NOW), world.bars_daily(NOW), world.macro(NOW), world.truth(NOW)]


REGIMES = [(path, value) for path, value in leaves(SETTINGS["regimes"]) if path[-1] not in {"given", "next"}]
REST = [(path, value) for path, value in leaves(quick()) if path[0] not in {"regimes", "backtest"}]


@pytest.fixture(scope="module")
def usual():
    return frames(quick())


def test_the_walk_over_the_settings_sees_all_of_them():
    assert len(REGIMES) > 45
    assert len(REST) > 70


@pytest.mark.parametrize(("path", "value"), REST, ids=[".".join(map(str, path)) for path, _ in REST])
def test_every_key_changes_what_the_world_shows(usual, path, value):
    changed = frames(replaced(quick(), path, another(value)))
    assert not all(now.equals(before) for now, before in zip(changed, usual, strict=True))


def test_every_key_of_the_regimes_changes_when_they_turn():
    def planted(chains):
        parameters = WorldParameters.model_validate(SETTINGS | {"regimes": chains})
        return plant(parameters.regimes, seed=8, days=200_000)

    usual = planted(SETTINGS["regimes"])
    for path, value in REGIMES:
        # A weight of one of two remaining states needs a real push to turn a draw.
        pushed = value * 20.0 if path[1] == "next" else another(value)
        changed = planted(replaced(SETTINGS["regimes"], path, pushed))
        assert any(not np.array_equal(changed[scope], usual[scope]) for scope in usual), path


def test_the_parent_named_by_given_decides_what_follows():
    chains = copy.deepcopy(SETTINGS["regimes"])
    chains["volatility"]["next"]["bear"] = {"low": 0.0, "normal": 1e-12, "high": 1.0}
    parameters = WorldParameters.model_validate(SETTINGS | {"regimes": chains})
    planted = plant(parameters.regimes, seed=8, days=200_000)
    turns = np.flatnonzero(np.diff(planted["volatility"])) + 1
    in_bear = turns[planted["equity"][turns] == 2]
    before, after = planted["volatility"][in_bear - 1], planted["volatility"][in_bear]
    assert in_bear.size > 100
    assert (after[before != 2] == 2).all()  # into high from whatever else there was
    assert (after[before == 2] == 1).all()  # and out of it to the only state with a weight


def test_the_backtest_window_is_what_the_source_offers():
    for end in ("2024-01-01", None):
        settings = SETTINGS | {"backtest": {"start": "2021-01-01", "end": end}}
        source = SampleSource(WorldParameters.model_validate(settings), INSTRUMENTS)
        assert source.backtest.start == datetime(2021, 1, 1, tzinfo=UTC)
        assert source.backtest.end == (None if end is None else datetime(2024, 1, 1, tzinfo=UTC))


def test_the_shipped_backtest_leaves_room_for_the_slowest_feature():
    parameters = WorldParameters.model_validate(SETTINGS)
    assert parameters.backtest.start - parameters.start > timedelta(days=380)


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (("sed",), 8, "sed"),
        (("classes", "equity", "alfa"), 0.1, "alfa"),
        (("seed",), -1, "seed"),
        (("seed",), 8.5, "seed"),
        (("start",), "2019-01-01T03:00:00Z", "00:00 UTC"),
        (("backtest", "end"), "2019-06-01", "start < end"),
        (("backtest", "start"), "2018-06-01", "on or after"),
        (("regimes", "equity", "first"), "sideways", "bull, neutral, bear"),
        (("regimes", "equity", "given"), "crypto", "earlier|one of"),
        (("regimes", "macro", "given"), "equity", "null"),
        (("regimes", "equity", "states", "bull", "least_days"), 500, "mean_days > least_days"),
        (("regimes", "equity", "next", "expansion", "flat"), 0.5, "bull, neutral, bear"),
        (
            ("regimes", "macro", "next", "any"),
            {"expansion": 1.0, "neutral": 0.0, "contraction": 0.0},
            "no way out",
        ),
        (("regimes", "macro", "next"), None, "weights of"),
        (("regimes", "crypto", "next"), {"any": {"risk_on": 0.5, "risk_off": 0.5}}, "take turns"),
        (("classes", "equity", "drift"), {"bull": 0.1}, "missing: bear, neutral"),
        (("classes", "crypto", "beta"), 0.97, "alpha \\+ beta < 1"),
        (("classes", "equity", "tail_index"), 2.0, "tail_index"),
        (("classes", "equity", "overnight_share"), 0.0, "overnight_share"),
        (("classes", "equity", "session_profile"), [1.0] * 12, "session_profile"),
        (("correlation", "equity"), 1.0, "correlation.equity"),
        (("assets", "SPY", "price"), 0.0, "price"),
        (("assets", "SPY", "price"), "250", "price"),
        (("assets",), {}, "assets"),
        (("volatility_index", "reference"), "DIA", "SPY, QQQ"),
        (("macro", "slope", "persistence"), 1.0, "persistence"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_wrong_setting_is_refused_and_says_where_and_why(tmp_path, path, value, match):
    import yaml

    wrong = replaced(SETTINGS, path, value)
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(wrong, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError, match=match) as caught:
        read_settings(file, WorldParameters, root=tmp_path)
    assert "sample.yaml" in str(caught.value)
    assert caught.value.constraint
    assert caught.value.fix
