"""A package for a strategy of one's own: module, entry point and test, written from a template."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from pipeline.errors import ComponentNotFoundError, ConfigError, ResourceError

FOLDER = Path(__file__).parent / "strategy_templates"
TEMPLATES: dict[str, dict[str, Any]] = {
    "trend": {"fast_days": 10, "slow_days": 50},
    "mean_reversion": {"rsi_bars": 7, "buy_below": 40.0, "sell_above": 45.0},
    "momentum": {"days": 30, "least": 0.2, "only_in_risk_on": False},
    "blank": {},
}
"""Every template, and other values of its parameters that the written test tries."""


@dataclass(frozen=True)
class Package:
    """What was written.

    Parameters
    ----------
    name, module
        The strategy, and the module that holds it.
    folder
        Where it lies.
    files
        Names of the files in it.
    entry
        The lines for ``strategies.yaml``.
    """

    name: str
    module: str
    folder: Path
    files: tuple[str, ...]
    entry: str


def write_package(name: str, template: str, folder: Path | None = None) -> Package:
    """Write a package into a new folder.

    Parameters
    ----------
    name
        Of the strategy, such as ``GoldenCross``.
    template
        Key of `TEMPLATES`.
    folder
        Where to; None: a folder beside where the command was called, named after the module.

    Raises
    ------
    ComponentNotFoundError
        When there is no such template.
    ConfigError
        When the name is none for a class, is taken, or the folder holds something.
    ResourceError
        When the disk refuses.
    """
    if template not in TEMPLATES:
        raise ComponentNotFoundError(
            "no such template", "--template", template, f"one of {', '.join(TEMPLATES)}", "choose one of them"
        )
    _require_name(name)
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    # No module can have this folder's name, so importing the one never finds the other.
    place = Path(module.replace("_", "-") + "-strategy") if folder is None else folder
    texts = _texts(name, module, template)
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ConfigError(
                "the folder is there already",
                "--folder",
                str(place),
                "a folder that does not exist or is empty",
                "name another one with --folder",
            )
        place.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (place / file).write_text(text, encoding="utf-8")
    except OSError as refused:
        raise ResourceError(
            f"the folder cannot be written: {refused.strerror}",
            "--folder",
            str(place),
            fix="name a folder that you may write to",
        ) from refused
    return Package(name, module, place.resolve(), tuple(texts), texts["strategies.yaml"])


def _require_name(name: str) -> None:
    from pipeline.strategies.registry import names

    if not re.fullmatch(r"[A-Z][A-Za-z0-9]{0,63}", name) or keyword.iskeyword(name):
        raise ConfigError(
            "this is no name for a strategy",
            "NAME",
            name,
            "letters and digits, a capital first, at most 64",
            "write it like GoldenCross",
        )
    if name in names():
        raise ConfigError(
            "there is a strategy of that name",
            "NAME",
            name,
            f"none of {', '.join(names())}",
            "choose another name",
        )


def _texts(name: str, module: str, template: str) -> dict[str, str]:
    words = {
        "name": name,
        "module": module,
        "package": module.replace("_", "-"),
        "changes": repr(TEMPLATES[template]).replace("'", '"'),
    }

    def filled(file: str) -> str:
        return Template((FOLDER / f"{file}.txt").read_text(encoding="utf-8")).substitute(words)

    return {
        f"{module}.py": filled(f"{template}.py"),
        f"test_{module}.py": filled("test.py"),
        "pyproject.toml": filled("pyproject.toml"),
        "strategies.yaml": _entry(name, "BTC/USD, ETH/USD" if template == "momentum" else "SPY, QQQ"),
    }


def _entry(name: str, universe: str) -> str:
    return (
        f"{name}:\n  version: 1.0.0\n  description: A strategy of ours\n  status: research\n"
        f"  universe: [{universe}]\n  parameters: {{}}\n"
    )
