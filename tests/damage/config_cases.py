"""Damaged settings: YAML that is no YAML, values that break a rule, secrets, environment, ``--set``."""
# ruff: noqa: E501 - one damage per line reads best

import re
from collections.abc import Callable
from pathlib import Path

from tests.damage.case import Case
from tests.damage.room import Room

COMMANDS = (
    ("data", "update", "--json"),
    ("backtest", "run", "--json"),
    ("data", "status"),
    ("doctor", "--json"),
    ("run", "--json"),
    ("snapshot", "--json"),
)
"""Whatever a person runs, wrong settings end it before anything is written."""


def _bomb(path: Path) -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    path.write_text("a0: &a0 x\n" + "\n".join(rows) + "\n")


def _again(path: Path) -> None:
    path.write_text(path.read_text() * 2)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40] + b"\nx: {")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_text(""), "empty"),
    "comments only": (lambda p: p.write_text("# nothing\n"), "empty"),
    "a list": (lambda p: p.write_text("- a\n- b\n"), "not a mapping"),
    "missing": (lambda p: p.unlink(), "does not exist"),
    "a folder": (_folder, "not a file"),
    "a link to itself": (_loop, "does not exist"),
    "cut in the middle": (_cut, "not valid YAML"),
    "NUL byte": (lambda p: p.write_bytes(p.read_bytes() + b"\0"), "NUL byte"),
    "binary": (lambda p: p.write_bytes(bytes(range(256)) * 8), "UTF-8"),
    "UTF-16": (lambda p: p.write_text(p.read_text(), encoding="utf-16"), "UTF-8"),
    "tab": (lambda p: p.write_text(p.read_text() + "\tx: 1\n"), "not valid YAML"),
    "second document": (lambda p: p.write_text(p.read_text() + "---\nx: 1\n"), "document"),
    "keys twice": (_again, "twice|again|repeated"),
    "alias bomb": (_bomb, "alias|anchor"),
    "tag that runs code": (lambda p: p.write_text(p.read_text() + "x: !!python/name:os.system\n"), "tag"),
    "huge": (lambda p: p.write_text(p.read_text() + "#" * 2_000_000), "large|big"),
    "nested too deep": (lambda p: p.write_text("x: " + "{a: " * 5000), "deep|levels"),
}
SECTIONS = ("system", "instruments", "strategies", "regimes", "valuation")


def _files() -> list[Case]:
    return [
        Case(
            f"config file {kind}",
            f"{section}.yaml",
            lambda room, s=section, d=damage: d(room.config(s)),
            words=rf"configs/base/{section}\.yaml.*({words})",
            command=COMMANDS[number % len(COMMANDS)],
        )
        for number, (kind, (damage, words)) in enumerate(FILES.items())
        for section in (SECTIONS if number < 3 else SECTIONS[number % 4 : number % 4 + 1])
    ]


# kind, section, text there, what it is replaced by, words
VALUES = (
    ("config unknown key", "system", "per_asset_cap: 0.40", "per_aset_cap: 0.40", "did you mean per_asset_cap"),
    ("config unknown key", "instruments", "{asset_class: index", "{class: index", "class is not known here"),
    ("config unknown key", "strategies", "sma_days: 200", "sma_dais: 200", "sma_days"),
    ("config wrong type", "system", "per_asset_cap: 0.40", "per_asset_cap: 40%", "a text stands where"),
    ("config wrong type", "system", "threads: 2", "threads: 2.5", "a whole number"),
    ("config wrong type", "strategies", "universe: [SPY, QQQ]", "universe: SPY", "a list"),
    ("config wrong type", "strategies", "sma_days: 200", "sma_days: many", "sma_days"),
    ("config out of range", "system", "per_asset_cap: 0.40", "per_asset_cap: -0.4", "greater than 0"),
    ("config out of range", "system", "initial_nav: 100000.0", "initial_nav: 0", "greater than 0"),
    ("config out of range", "instruments", "tick: 0.1,", "tick: 0,", "greater than 0"),
    ("config out of range", "strategies", "sma_days: 200", "sma_days: 0", "sma_days"),
    ("config NaN", "system", "per_asset_cap: 0.40", "per_asset_cap: .nan", "finite|NaN|not a number"),
    ("config steps out of order", "system", "drawdown_release: 0.12", "drawdown_release: 0.16", "end before"),
    ("config steps out of order", "regimes", "low_below: 15.0", "low_below: 30.0", "contradict each other"),
    ("config unknown component", "regimes", "equity_bear:", "equity_baer:", "there is no regime"),
    ("config unknown component", "system", "source: sample ", "source: smple ", "smple"),
    ("config unknown component", "system", "strategy: EquityTrend", "strategy: EquityTrends", "EquityTrends"),
    ("config unknown component", "strategies", "universe: [SPY, QQQ]", "universe: [SPY, QQQQ]", "QQQQ"),
    ("config version of the code", "strategies", "version: 1.0.0", "version: 9.0.0", "9.0.0"),
    ("config not tradable", "strategies", "universe: [SPY, QQQ]", "universe: [SPY, VIX]", "not a tradable"),
    ("config date", "system", "  start: null ", "  start: 2020-02-30 ", "not a date"),
    ("config date without zone", "system", "  start: null ", "  start: 2020-01-01T04:00:00 ", "no zone"),
    ("config secret", "system", "source: sample ", "api_secret: hunter2hunter2\nsource: sample ", "secret"),
    (
        "config secret",
        "system",
        "source: sample ",
        "kraken_key_env: AKIAIOSFODNN7EXAMPLE\nsource: sample ",
        "NAME of a variable",
    ),
)  # fmt: skip


def _values() -> list[Case]:
    cases = []
    for kind, section, old, new, words in VALUES:
        environ = {"EIGHTBELLS_SOURCE": ""} if "smple" in new else {}
        command = ("backtest", "run", "--json") if section == "strategies" else ("data", "update", "--json")
        cases.append(
            Case(
                kind,
                re.sub(r"\s+", " ", new).strip()[-40:],
                lambda room, s=section, o=old, n=new: room.replace(room.config(s), o, n),
                words=words,
                command=command,
                environ=environ,
            )
        )
    return cases


def _stray(room: Room) -> None:
    room.config("system").with_name("sytem.yaml").write_text("source: files\n")


OUTSIDE = [
    Case("config file nobody reads", "sytem.yaml", _stray, words=r"nothing reads the file configs/base/sytem\.yaml"),
    Case("environment unknown", "a misspelt variable", environ={"EIGHTBELLS_SOURC": "files"}, words="names no setting"),
    Case(
        "environment unknown",
        "a setting that is none",
        environ={"EIGHTBELLS_SYSTEM__RISK__CAP": "1"},
        words="names no setting",
    ),
    Case(
        "environment value",
        "a number that is none",
        environ={"EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP": "a lot"},
        words="EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP",
    ),
    Case(
        "environment contradiction",
        "one field twice",
        environ={"EIGHTBELLS_SYSTEM__SOURCE": "sample"},
        words="set one field differently",
    ),
    Case("environment source", "unknown", environ={"EIGHTBELLS_SOURCE": "bloomberg"}, words="bloomberg"),
    Case("environment home", "relative", environ={"EIGHTBELLS_HOME": "var"}, words="relative path"),
    Case(
        "environment home",
        "a file stands there",
        lambda room: room.environ.update(EIGHTBELLS_HOME=str(room.btc)),
        code=4,
        words="home directory",
    ),
    Case(
        "environment home",
        "below a file",
        lambda room: room.environ.update(EIGHTBELLS_HOME=str(room.btc / "home")),
        code=4,
        words="home directory",
    ),
    Case(
        "environment home",
        "no such device",
        environ={"EIGHTBELLS_HOME": "/proc/nothing/here"},
        code=4,
        words="home directory",
    ),
    Case("option --set", "no assignment", command=("data", "update", "--set", "risk", "--json"), words="not an assignment"),
    Case(
        "option --set",
        "unknown key",
        command=("data", "update", "--set", "rsk.per_asset_cap=1", "--json"),
        words="did you mean risk",
    ),
    Case(
        "option --set",
        "wrong value",
        command=("backtest", "run", "--set", "risk.per_asset_cap=x", "--json"),
        words="command line.*a text stands where",
    ),
    Case(
        "option --set",
        "a secret",
        command=("data", "status", "--set", "api_token=abcdefghijkl1234", "--json"),
        words="api_token|secret",
    ),
    Case(
        "option --set",
        "not YAML",
        command=("data", "status", "--set", "source=[1", "--json"),
        words="source",
    ),
    Case(
        "option given twice",
        "--set and --source",
        command=("data", "update", "--set", "source=files", "--source", "sample", "--json"),
        words="given twice",
    ),
]  # fmt: skip

CASES = [*_files(), *_values(), *OUTSIDE]
