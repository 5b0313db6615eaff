"""Damaged configuration: each case ends in one ConfigError that names the place, the rule and the fix."""
# ruff: noqa: E501 - one damage per line reads best

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError

# file, text there, what it is replaced by, field in the message, words in the message
WRONG_VALUES = [
    ("system", "per_asset_cap: 0.40", "per_aset_cap: 0.40", "system.risk.per_aset_cap", "did you mean per_asset_cap?"),
    ("system", "risk: ", "rsk: ", "system.rsk", "did you mean risk?"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: '0.40'", "system.risk.per_asset_cap", "a number without quotes"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: 0,40", "system.risk.per_asset_cap", "a text stands where"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: 40%", "system.risk.per_asset_cap", "a text stands where"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: -0.4", "system.risk.per_asset_cap", "greater than 0"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: true", "system.risk.per_asset_cap", "true or false stands where"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: null", "system.risk.per_asset_cap", "null stands where a number"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: [0.4]", "system.risk.per_asset_cap", "a list stands where"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap: {x: 1}", "system.risk.per_asset_cap", "a mapping stands where"),
    ("system", "per_asset_cap: 0.40", "per_asset_cap:", "system.risk.per_asset_cap", "null stands where a number"),
    ("system", "drawdown_release: 0.12", "drawdown_release: 0.16", "system.risk.drawdown_release", "would end before"),
    ("system", "drawdown_halt: 0.20", "drawdown_halt: 0.10", "system.risk.drawdown_trigger", "the halt would come"),
    ("system", "drawdown_trigger: 0.15", "drawdown_trigger: 15", "system.risk.drawdown_trigger", "less than or equal"),
    ("system", "threads: 2", "threads: 2.5", "system.warehouse.threads", "a whole number"),
    ("system", "threads: 2", "threads: 0", "system.warehouse.threads", "greater than or equal to 1"),
    ("system", "threads: 2", f"threads: {2**63}", "system.warehouse.threads", "less than"),
    ("system", "source: sample ", "source: '' ", "system.source", "at least 1 character"),
    ("system", "source: sample ", "source: 5 ", "system.source", "a whole number stands where a text"),
    ("system", "strategy: EquityTrend", "strategy: EquityTrends", "system.backtest.strategy", "no strategy EquityTrends"),
    ("system", "initial_nav: 100000.0", "initial_nav: 0", "system.backtest.initial_nav", "greater than 0"),
    ("system", "  start: null ", "  start: 2020-02-30 ", "system.backtest.start", "not a date"),
    ("system", "  start: null ", "  start: 2020-01-01T04:00:00 ", "system.backtest.start", "no zone"),
    ("system", "  start: null ", "  start: 5 ", "system.backtest.start", "a date or an instant"),
    ("system", "on_halt: stay", "on_halt: sty", "system.backtest.on_halt", "did you mean stay?"),
    ("system", "on_halt: stay ", "on_halt: resume_after_bars ", "system.backtest.resume_after_bars", "incomplete"),
    ("system", "carry_unfilled: false", "carry_unfilled: no", "system.backtest.carry_unfilled", "true or false"),
    ("system", "volume_lookback: 20", "volume_lookback: 0", "system.trading.volume_lookback", "greater than or equal"),
    ("system", "memory_limit: 2GB", "memory_limit: lots", "system.warehouse.memory_limit", "such as 2GB"),
    ("system", "threads: 2", "threads: 0", "system.warehouse.threads", "greater than or equal to 1"),
    ("system", "level: info", "level: loud", "system.logging.level", "'info'"),
    ("system", "equity: {slippage_bps: 5.0, fee_bps: 1.0}", "equity: 6", "system.costs.equity", "a mapping of keys"),
    ("system", "equity: {slippage_bps: 5.0", "bonds: {slippage_bps: 5.0", "system.costs.bonds", "one of equity, crypto"),
    ("instruments", "VIX: {asset_class: index", "VIX: {asset_class: indx", "instruments.VIX.asset_class", "mean index?"),
    ("instruments", "VIX: {asset_class: index, ", "VIX: {", "instruments.VIX.asset_class", "is missing"),
    ("instruments", "VIX: {asset_class: index, ", "VIX: {class: index, ", "instruments.VIX.class", "is not known here"),
    ("instruments", "venue: cboe, calendar: XNYS", "venue: cboe, calendar: NYSE", "instruments.VIX.calendar", "'XNYS'"),
    ("instruments", "tick: 0.1,", "tick: 0,", "instruments.BTC/USD.tick", "greater than 0"),
    ("instruments", "venue: cboe, calendar: XNYS, currency: USD", "venue: cboe, calendar: XNYS, currency: usd",
     "instruments.VIX.currency", "ISO 4217"),
    ("strategies", "universe: [SPY, QQQ]", "universe: [SPY, QQQQ]", "strategies.EquityTrend.universe", "not a tradable"),
    ("strategies", "universe: [SPY, QQQ]", "universe: [SPY, VIX]", "strategies.EquityTrend.universe", "not a tradable"),
    ("strategies", "universe: [SPY, QQQ]", "universe: [SPY, SPY]", "strategies.EquityTrend.universe", "stands twice"),
    ("strategies", "universe: [SPY, QQQ]", "universe: []", "strategies.EquityTrend.universe", "at least 1 item"),
    ("strategies", "universe: [SPY, QQQ]", "universe: SPY", "strategies.EquityTrend.universe", "[a, b]"),
    ("strategies", "version: 1.0.0", "version: 1.0", "strategies.EquityTrend.version", "a text"),
    ("strategies", "version: 1.0.0", "version: v1", "strategies.EquityTrend.version", "MAJOR.MINOR.PATCH"),
    ("strategies", "status: research", "status: live-ish", "strategies.EquityTrend.status", "did you mean live?"),
    ("strategies", "EquityTrend:", "5:", "strategies.yaml", "a key is not a text"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "words"),
    WRONG_VALUES,
    ids=[case[2].strip()[:30] for case in WRONG_VALUES],
)
def test_a_wrong_value_names_line_field_rule_and_fix(tree, file, old, new, field, words):
    tree.replace(file, old, new)
    with pytest.raises(ConfigError) as caught:
        tree.load()
    error = caught.value
    assert error.exit_code == 1
    assert error.field.endswith(field)
    assert words in str(error)
    assert error.constraint
    assert error.fix
    place = re.match(r"configs/base/(\w+)\.yaml:(\d+): ", str(error))
    assert place, f"no file and line in: {error}"
    assert place[1] == file or "backtest" in field
    written = tree.file(place[1]).read_text().splitlines()[int(place[2]) - 1]
    assert (
        field.rsplit(".", 1)[-1] in written or new.split(":")[0] in written or field.split(".")[1] in written
    )


DAMAGES = {
    "empty": lambda path: path.write_text(""),
    "comments only": lambda path: path.write_text("# nothing\n"),
    "list": lambda path: path.write_text("- a\n- b\n"),
    "one word": lambda path: path.write_text("word\n"),
    "missing": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "cut in the middle": lambda path: path.write_bytes(path.read_bytes()[:-40] + b"\nx: {"),
    "NUL byte": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "UTF-16": lambda path: path.write_text(path.read_text(), encoding="utf-16"),
    "tab": lambda path: path.write_text(path.read_text() + "\tx: 1\n"),
    "second document": lambda path: path.write_text(path.read_text() + "---\nx: 1\n"),
    "first key again": lambda path: path.write_text(path.read_text() * 2),
    "alias": lambda path: path.write_text(path.read_text() + "x: &a 1\ny: *a\n"),
    "tag": lambda path: path.write_text(path.read_text() + "x: !!python/name:os.system\n"),
    "too large": lambda path: path.write_text(path.read_text() + "#" * 2_000_000),
    "nested too deep": lambda path: path.write_text("x: " + "{a: " * 5000),
    "NaN": lambda path: path.write_text(path.read_text() + "x: .nan\n"),
}


@pytest.mark.parametrize("file", ["system", "instruments", "strategies"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(tree, file, damage):
    DAMAGES[damage](tree.file(file))
    with pytest.raises(ConfigError) as caught:
        tree.load()
    error = caught.value
    assert str(error).startswith(f"configs/base/{file}.yaml")
    assert error.exit_code == 1
    assert error.constraint
    assert error.fix


def test_a_file_that_nothing_reads_is_refused(tree):
    tree.file("system").with_name("sytem.yaml").write_text("source: files\n")
    with pytest.raises(ConfigError, match=r"nothing reads the file configs/base/sytem\.yaml") as caught:
        tree.load()
    assert caught.value.fix == "did you mean system.yaml?"


def test_every_problem_is_named_at_once(tree):
    tree.replace("system", "timeout_s: 30.0", "timeout_s: x")
    tree.replace("system", "threads: 2", "threads: y")
    with pytest.raises(ConfigError, match=r"further problems: system.warehouse.threads"):
        tree.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("experiment: {name: x, description: y}\n", "overrides is missing"),
        ("experiment: {name: x, description: y, overides: {}}\n", "did you mean overrides?"),
        ("name: x\n", "the key name is not known here"),
        (
            "experiment: {name: x, description: y, overrides: {risk.per_aset_cap: 0.3}}\n",
            "did you mean per_asset_cap?",
        ),
        (
            "experiment: {name: x, description: y, overrides: {rsk: {per_asset_cap: 0.3}}}\n",
            "did you mean risk?",
        ),
        ("experiment: {name: x, description: y, overrides: [a]}\n", "a mapping of keys"),
        (
            "experiment: {name: x, description: y, overrides: {risk: {per_asset_cap: a}}}\n",
            "a text stands where",
        ),
        ("", "the file is empty"),
    ],
)
def test_a_damaged_experiment_is_named(tree, text, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        tree.load(experiment=tree.experiment(text))
    assert str(caught.value).startswith("configs/experiments/tried.yaml")


@pytest.mark.parametrize(
    "overrides",
    [
        {"": 1},
        {".": 1},
        {"risk": None},
        {"risk": 5},
        {"risk.per_asset_cap.deeper": 1},
        {"risk..per_asset_cap": 1},
        {"strategies": None},
        {"strategies": []},
        {"strategies.Other.status": "paper"},
        {"strategies.EquityTrend": "x"},
        {"system": {"risk": {"per_asset_cap": object()}}},
        {"risk.per_asset_cap": float("inf")},
        {"source": "[1"},
        {"source": "&a 1"},
    ],
    ids=lambda overrides: next(iter(overrides)),
)
def test_a_wrong_option_is_a_configuration_error(tree, overrides):
    with pytest.raises(ConfigError) as caught:
        tree.load(overrides=overrides)
    assert caught.value.fix


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["system", "instruments", "strategies"]),
    at=st.integers(0, 2000),
    cut=st.integers(0, 30),
    put=st.text("abc: {}[]-#'\"\n\t0.9,&*!%@", max_size=6),
)
def test_whatever_is_cut_out_or_typed_in_the_answer_is_settings_or_a_configuration_error(
    tree, file, at, cut, put
):
    path = tree.file(file)
    whole = path.read_text()
    path.write_text(whole[:at] + put + whole[at + cut :])
    error = refusal(tree)
    path.write_text(whole)
    if error is not None:
        assert str(error).startswith("configs/base/")
        assert error.constraint
        assert error.fix


def refusal(tree) -> ConfigError | None:
    try:
        tree.load()
    except ConfigError as error:
        return error
    return None
