"""Names of features mean one thing each, and wrong ones are refused with a way out."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.features.registry import KINDS, LONGEST_PERIOD, STANDARD, parse, spec


@st.composite
def features(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    family = KINDS[kind]
    params = []
    if family.shortest is not None:
        params.append(draw(st.integers(family.shortest, LONGEST_PERIOD)))
    if family.widths:
        params.append(draw(st.integers(1, 100_000)) / 1_000)
    return spec(kind, *params, timeframe=draw(st.sampled_from(family.timeframes)))


@given(features())
def test_a_name_is_read_back_as_the_feature_it_names(feature):
    assert parse(feature.name) == feature


@pytest.mark.parametrize(
    ("name", "kind", "params", "timeframe", "lookback"),
    [
        ("log_return", "log_return", (), "h4", 2),
        ("sma_20", "sma", (20,), "h4", 20),
        ("sma_200d", "sma", (200,), "daily", 200),
        ("rsi_14", "rsi", (14,), "h4", 15),
        ("atr_14", "atr", (14,), "h4", 15),
        ("bb_upper_20_2", "bb_upper", (20, 2.0), "h4", 20),
        ("bb_lower_20_2p5d", "bb_lower", (20, 2.5), "daily", 20),
        ("momentum_252d", "momentum", (252,), "daily", 253),
        ("volatility_30", "volatility", (30,), "h4", 31),
        ("close_d", "close", (), "daily", 1),
        ("closes_missed_d", "closes_missed", (), "daily", 1),
    ],
)
def test_names_say_kind_parameters_timeframe_and_look_back(name, kind, params, timeframe, lookback):
    feature = parse(name)
    assert (feature.kind, feature.params, feature.timeframe) == (kind, params, timeframe)
    assert feature.lookback == lookback


@pytest.mark.parametrize(
    "name", ["magic_7", "Sma_20", "sma 20", "", "20_sma", "sma_-3", "sma_1e3", "sma__20"]
)
def test_a_name_that_names_no_kind_is_not_found(name):
    with pytest.raises(ComponentNotFoundError) as caught:
        parse(name)
    assert caught.value.fix


@pytest.mark.parametrize(
    "name",
    ["sma_0", "rsi_1", "sma", "sma_20_3", "bb_upper_20", "bb_upper_20_0", "sma_100001", "closes_missed"],
)
def test_parameters_that_do_not_fit_are_a_configuration_error(name):
    with pytest.raises(ConfigError) as caught:
        parse(name)
    assert caught.value.constraint


@pytest.mark.parametrize("name", ["sma_020", "bb_upper_20_2p0", "bb_upper_20_2p50", "sma_20_d"])
def test_a_feature_has_one_spelling(name):
    with pytest.raises(ConfigError, match="one spelling"):
        parse(name)


def test_fractions_of_bars_are_no_periods():
    with pytest.raises(ConfigError, match="whole number"):
        spec("sma", 2.5)


def test_the_standard_set_is_what_the_table_stores():
    from warehouse.tables_features import STANDARD_COLUMNS

    declared = [(column.name, column.unit, column.description) for column in STANDARD_COLUMNS]
    assert [(feature.name, feature.unit, feature.description) for feature in STANDARD] == declared


def test_importing_the_registry_imports_nothing_heavy():
    heavy = "{'numba', 'polars', 'numpy'} & set(sys.modules)"
    code = f"import sys, pipeline.features.registry; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
