"""Strategies of other people: found by the entry points of installed packages, and held to the port.

A package offers one by an entry point of the group `GROUP`.  Settings can name only what is installed and
says of itself that it is a strategy, never a module or a file, so that settings run no code.
"""

import dataclasses
import re
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pipeline.errors import BellsError, ComponentNotFoundError, ConfigError
from pipeline.regimes.vocabulary import DIMENSIONS
from pipeline.strategies.code_text import loaded_digest

if TYPE_CHECKING:
    from pipeline.strategies.port import Strategy

GROUP = "eightbells.strategies"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CHOICES = {"urgency": ("low", "normal", "high"), "horizon": ("intraday", "swing", "position")}


def installed() -> tuple[str, ...]:
    """Return the names of all strategies that installed packages offer, sorted; nothing of them is run."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def entry_point(name: str) -> EntryPoint:
    """Return the entry point of a strategy; nothing of it is run.

    Raises
    ------
    ComponentNotFoundError
        When no installed package offers it.
    ConfigError
        When two packages do.
    """
    found = {(point.value, package_of(point)): point for point in entry_points(group=GROUP, name=name)}
    if not found:
        raise ComponentNotFoundError(
            "no such strategy is installed",
            "strategy",
            name,
            f"one of {', '.join(installed()) or 'none'}",
            f"install the package that offers it under the entry points {GROUP}",
        )
    if len(found) > 1:
        raise ConfigError(
            f"two packages offer a strategy {name}",
            "strategy",
            sorted(package for _value, package in found),
            "one package",
            "uninstall the other one",
        )
    return next(iter(found.values()))


def package_of(point: EntryPoint) -> str:
    """Return the package of an entry point with its version, such as ``golden-cross 1.0.0``."""
    return "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def installed_kind(name: str) -> "type[Strategy]":
    """Return the class of an installed strategy; importing it runs its module.

    Raises
    ------
    ComponentNotFoundError, ConfigError
        As `entry_point`; when it cannot be imported, or does not fit the port.
    """
    point = entry_point(name)
    try:
        kind = point.load()
    except BellsError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the strategy {name} cannot be imported: {type(error).__name__}: {error}",
            f"{package_of(point)}, {point.value}",
            constraint="a module that imports",
            fix="mend the package, or uninstall it",
        ) from error
    require_port(kind, name)
    loaded_digest(kind)
    return kind


def require_port(kind: Any, name: str) -> None:
    """Refuse a class that is no strategy of that name.

    Raises
    ------
    ConfigError
        For the first attribute of `pipeline.strategies.port.Strategy` that is missing or is something else.
    """
    for field, fits, constraint in _rules(kind, name):
        if not fits:
            raise ConfigError(
                f"the strategy {name} does not fit the port",
                f"{getattr(kind, '__qualname__', kind)}.{field}",
                getattr(kind, field, None),
                constraint,
                "docs/writing-a-strategy.md shows one that does",
            )


def _opens(kind: Any) -> bool:
    """Return whether a class can be called with a universe or with nothing."""
    if not dataclasses.is_dataclass(kind):
        return False
    fields = {field.name: field for field in dataclasses.fields(kind)}
    given = (
        f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        for f in fields.values()
    )
    return "universe" in fields and all(given)


def _rules(kind: Any, name: str) -> list[tuple[str, bool, str]]:
    """Return (attribute, whether it fits, rule) in the order in which people should mend them."""
    model = getattr(kind, "params_model", None)
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    config = model.model_config if is_model else {}
    closed = config.get("extra") == "forbid" and config.get("frozen") is True
    regimes = getattr(kind, "regimes", None)
    known = isinstance(regimes, tuple) and all(dimension in DIMENSIONS for dimension in regimes)
    rules = [
        ("name", getattr(kind, "name", None) == name, f"{name!r}, the name of its entry point"),
        ("version", bool(_VERSION.fullmatch(str(getattr(kind, "version", "")))), "MAJOR.MINOR.PATCH"),
        ("params_model", is_model and closed, "a subclass of pipeline.strategies.port.Parameters"),
        ("regimes", known, f"a tuple of {', '.join(DIMENSIONS)}, or ()"),
        ("features", callable(getattr(kind, "features", None)), "a method features(params)"),
        ("weights", callable(getattr(kind, "weights", None)), "a method weights(context, params)"),
        ("universe", _opens(kind), "a field of a dataclass whose fields all have defaults"),
    ]
    for hint, choices in _CHOICES.items():
        said = getattr(kind, hint, None)
        rules.append((hint, said is None or said in choices, f"one of {', '.join(choices)}, or left out"))
    return rules
