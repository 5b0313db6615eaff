"""The strategies by name, and their parameters from plain mappings."""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.strategies.crypto_momentum import CryptoMomentum
from pipeline.strategies.equity_trend import EquityTrend
from pipeline.strategies.index_mean_reversion import IndexMeanReversion
from pipeline.strategies.installed import entry_point, installed, installed_kind, package_of

if TYPE_CHECKING:
    from pipeline.strategies.port import Parameters, Strategy

STRATEGIES = {kind.name: kind for kind in (EquityTrend, IndexMeanReversion, CryptoMomentum)}
"""Every strategy that ships."""
BUILT_IN = "built in"


def names() -> tuple[str, ...]:
    """Return every strategy that can run: those that ship, then those of installed packages."""
    return (*STRATEGIES, *(name for name in installed() if name not in STRATEGIES))


def origin_of(name: str) -> str:
    """Return where a strategy comes from: ``built in``, or its package with its version.

    Raises
    ------
    ComponentNotFoundError, ConfigError
        As `pipeline.strategies.installed.entry_point`; when a package takes the name of one that ships.
    """
    if name not in STRATEGIES:
        return package_of(entry_point(name))
    if name in installed():
        raise ConfigError(
            f"a package offers a strategy {name}, and one of that name ships",
            "strategy",
            package_of(entry_point(name)),
            "a name of its own",
            "uninstall the package, or let its author rename the strategy",
        )
    return BUILT_IN


def kind_of(name: str) -> "type[Strategy]":
    """Return the class of a strategy; one that ships goes before an installed one of the same name.

    Raises
    ------
    ComponentNotFoundError
        When there is none of that name.
    ConfigError
        When an installed one cannot be imported or does not fit the port.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    if name not in installed():
        near = difflib.get_close_matches(name, names(), 1)
        raise ComponentNotFoundError(
            "no such strategy",
            "strategy",
            name,
            f"one of {', '.join(sorted(names()))}",
            f"did you mean {near[0]}?" if near else "choose one, or install the package with it",
        )
    return installed_kind(name)


def strategy(name: str, universe: Sequence[str] | None = None, *, version: str | None = None) -> "Strategy":
    """Return a strategy.

    Parameters
    ----------
    name
        One of `names`.
    universe
        Symbols that it may hold; None: its own.
    version
        The version that the caller expects; None: whatever the code has.

    Raises
    ------
    ComponentNotFoundError
        When there is none of that name.
    ConfigError
        When the universe is empty or repeats a symbol, or the code has another version.
    """
    kind: Any = kind_of(name)
    if version is not None and version != kind.version:
        raise ConfigError(
            f"{name} is another version than configured",
            "version",
            version,
            f"{kind.version}, the version of the code",
            "correct strategies.yaml, or install the code of that version",
        )
    if universe is None:
        return kind()
    if not universe or len(set(universe)) != len(universe):
        raise ConfigError("the universe is empty or repeats a symbol", "universe", list(universe), "distinct")
    return kind(universe=tuple(universe))


def parameters(chosen: "Strategy", values: Mapping[str, Any] | None = None) -> "Parameters":
    """Return a strategy's parameters from a plain mapping; what is not named keeps its default.

    Raises
    ------
    ConfigError
        When a key is unknown (the nearest is named) or a value is out of range.
    """
    try:
        return chosen.params_model.model_validate(dict(values or {}))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = list(chosen.params_model.model_fields)
        near = difflib.get_close_matches(key, known, 1)
        unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            f"{chosen.name} has no such parameter" if unknown else f"a parameter of {chosen.name} is wrong",
            f"parameters.{key}",
            first["input"],
            f"one of {', '.join(known)}" if unknown else first["msg"],
            f"did you mean {near[0]}?" if unknown and near else "correct it in strategies.yaml",
        ) from wrong
