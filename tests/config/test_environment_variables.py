"""Settings out of the environment."""

import pytest

from pipeline.errors import ConfigError


def refusal(tree, **environ) -> str:
    with pytest.raises(ConfigError) as caught:
        tree.load(environ=environ)
    return str(caught.value)


def test_the_short_names_and_the_long_ones(tree):
    loaded = tree.load(
        environ={
            "EIGHTBELLS_SOURCE": "files",
            "EIGHTBELLS_DATA": "/mnt/2024",
            "EIGHTBELLS_HOME": "/mnt/home",
            "EIGHTBELLS_SYSTEM__BACKTEST__START": "2020-01-31",
            "EIGHTBELLS_INSTRUMENTS__BTC_USD__TICK": "0.5",
            "EIGHTBELLS_STRATEGIES__EQUITYTREND__PARAMETERS__SMA_DAYS": "150",
            "EIGHTBELLS_STRATEGIES__EQUITYTREND__UNIVERSE": "[SPY]",
            "PATH": "/bin",
        }
    )
    system = loaded.settings.system
    assert (system.source, system.data_dir) == ("files", "/mnt/2024")
    assert system.backtest.start.year == 2020
    assert loaded.settings.instruments["BTC/USD"].tick == 0.5
    assert loaded.settings.strategies["EquityTrend"].parameters["sma_days"] == 150
    assert loaded.settings.strategies["EquityTrend"].universe == ("SPY",)
    assert loaded.origin["system.source"] == "environment EIGHTBELLS_SOURCE"
    assert loaded.origin["instruments.BTC/USD.tick"] == "environment EIGHTBELLS_INSTRUMENTS__BTC_USD__TICK"


def test_a_field_that_the_file_does_not_mention_can_still_be_set(tree):
    tree.replace("system", "  max_leverage: 1.2\n", "")
    loaded = tree.load(environ={"EIGHTBELLS_SYSTEM__RISK__MAX_LEVERAGE": "1.0"})
    assert loaded.settings.system.risk.max_leverage == 1.0


def test_an_empty_variable_counts_as_unset(tree):
    loaded = tree.load(environ={"EIGHTBELLS_SOURCE": "", "EIGHTBELLS_SYSTEM__WAREHOUSE__THREADS": "  "})
    assert loaded.settings.system.source == "sample"
    assert loaded.settings.system.warehouse.threads == 2


def test_a_folder_that_looks_like_a_number_stays_a_text(tree):
    assert tree.load(environ={"EIGHTBELLS_DATA": "2024"}).settings.system.data_dir == "2024"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("EIGHTBELLS_SORCE", "EIGHTBELLS_SOURCE"),
        ("EIGHTBELLS_HOMES", "EIGHTBELLS_HOME"),
        ("EIGHTBELLS_SYSTEM__RISK__PER_ASET_CAP", "EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP"),
        ("EIGHTBELLS_SYSTEM__RSK__PER_ASSET_CAP", "EIGHTBELLS_SYSTEM__RISK"),
        ("EIGHTBELLS_SYSTM__SEED", "EIGHTBELLS_SYSTEM"),
        ("EIGHTBELLS_STRATEGIES__EQUITYTREND__STATS", "EIGHTBELLS_STRATEGIES__EQUITYTREND__STATUS"),
    ],
)
def test_a_variable_that_means_nothing_is_refused_and_the_nearest_named(tree, variable, meant):
    message = refusal(tree, **{variable: "1"})
    assert f"{variable} names no setting" in message
    assert f"did you mean {meant}?" in message


def test_a_value_that_does_not_fit_names_the_variable_and_the_field(tree):
    message = refusal(tree, EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP="a lot")
    assert message.startswith(
        "environment EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP: a text stands where a number is due"
    )
    assert "field: system.risk.per_asset_cap" in message


def test_two_variables_must_not_contradict_each_other(tree):
    message = refusal(tree, EIGHTBELLS_SOURCE="files", EIGHTBELLS_SYSTEM__SOURCE="sample")
    assert "EIGHTBELLS_SOURCE and EIGHTBELLS_SYSTEM__SOURCE set one field differently" in message
    same = tree.load(environ={"EIGHTBELLS_SOURCE": "files", "EIGHTBELLS_SYSTEM__SOURCE": "files"})
    assert same.settings.system.source == "files"
