"""Secrets are refused in files and hidden wherever values are shown."""

import pytest

from pipeline.config.secrets import (
    MASK,
    is_secret_name,
    looks_like_secret,
    masked,
    refuse_secrets,
    secret_values,
)
from pipeline.errors import ConfigError


def refusal(tree) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        refuse_secrets(tree, lambda path: f"brokers.yaml, {'.'.join(path)}")
    return caught.value


@pytest.mark.parametrize(
    "name", ["KRAKEN_API_SECRET", "K", "ALPACA_KEY_2", "EIGHTBELLS_TESTNET_TRADING_ACCOUNT_KEY"]
)
def test_a_field_ending_in_env_takes_the_name_of_a_variable(name):
    refuse_secrets({"brokers": {"kraken": {"secret_env": name}}}, lambda _path: "")


def test_a_field_ending_in_env_may_be_unset():
    refuse_secrets({"brokers": {"kraken": {"secret_env": None}}}, lambda _path: "")


@pytest.mark.parametrize(
    "literal",
    [
        "AKIAIOSFODNN7EXAMPLE",  # capitals and digits only, as a name of a variable
        "PKABCDEFGHIJKLMNOP12",
        "A1B2C3D4E5F6G7H8I9J0",
        "sk-live-0123456789",
        "hunter2",
        "Kraken_Key",
        "KRAKEN-KEY",
        "2FAST",
        "",
        "KRAKEN_KEY ",
        5,
        ["KRAKEN_KEY"],
    ],
)
def test_a_literal_in_such_a_field_is_refused_and_not_shown(literal):
    error = refusal({"brokers": {"kraken": {"secret_env": literal}}})
    assert error.exit_code == 1
    assert error.field == "brokers.kraken.secret_env"
    assert "brokers.yaml, brokers.kraken.secret_env" in str(error)
    assert "write secret_env: ITS_NAME" in str(error)
    if len(str(literal)) > 1:
        assert str(literal) not in f"{error} {error.to_dict()}"


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "password", "PASSWD", "auth_token", "client_secret", "private_key"]
)
def test_a_field_that_says_secret_may_hold_no_text(name):
    error = refusal({name: "correct horse"})
    assert "correct horse" not in f"{error} {error.to_dict()}"
    assert f"write {name}_env: ITS_NAME" in error.fix


@pytest.mark.parametrize("name", ["key", "keep", "per_asset_cap", "tick", "api_key_env", "monkey"])
def test_other_names_are_no_secrets(name):
    assert not is_secret_name(name)


def test_a_secret_in_a_file_is_refused_with_its_line_and_never_shown(tree):
    tree.replace("strategies", "    sma_days: 200", "    broker_key_env: hunter2hunter2\n    sma_days: 200")
    with pytest.raises(ConfigError) as caught:
        tree.load()
    assert str(caught.value).startswith(
        f"configs/base/strategies.yaml:{tree.line('strategies', 'broker_key_env')}:"
    )
    assert "hunter2" not in f"{caught.value} {caught.value.to_dict()}"


@pytest.mark.parametrize(
    "layers",
    [
        {"overrides": {"risk.api_key": "hunter2hunter2"}},
        {"overrides": {"strategies.EquityTrend.parameters.token_env": "hunter2hunter2"}},
        {"overrides": {"risk": {"per_asset_cap": {"password": "hunter2hunter2"}}}},
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_shown(tree, layers):
    with pytest.raises(ConfigError) as caught:
        tree.load(**layers)
    assert "hunter2" not in f"{caught.value} {caught.value.to_dict()}"
    assert MASK in str(caught.value)


def test_masking_reaches_every_depth_and_leaves_the_rest():
    shown = masked(
        {
            "symbol": "SPY",
            "api_key": "abc",
            "deep": [{"Authorization": "Bearer x"}, "mail hunter2hunter2 now", 7],
            "url": "https://user:pass@example.org/x?y=1",
            "secret_env": "KRAKEN_SECRET",
            "token_env": "hunter2",
        },
        values=("hunter2hunter2",),
    )
    assert shown == {
        "symbol": "SPY",
        "api_key": MASK,
        "deep": [{"Authorization": MASK}, f"mail {MASK} now", 7],
        "url": f"https://{MASK}@example.org/x?y=1",
        "secret_env": "KRAKEN_SECRET",
        "token_env": MASK,
    }


def test_secret_values_are_those_of_variables_that_say_secret_longest_first():
    environ = {
        "KRAKEN_SECRET": "abcdefgh",
        "API_KEY": "abcdefghij",
        "SHORT_TOKEN": "abc",
        "PATH": "/usr/local/bin",
    }
    assert secret_values(environ) == ("abcdefghij", "abcdefgh")


def test_long_names_of_variables_are_not_taken_for_keys():
    assert not looks_like_secret("EIGHTBELLS_SOMETHINGVERYLONGINDEED")
    assert looks_like_secret("ghp_" + "a1" * 15)
