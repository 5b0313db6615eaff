"""The valuation models by name; a class joins by ``@register`` and nothing else is edited."""

import difflib
from dataclasses import fields
from typing import Any, TypeVar

from pipeline.errors import ComponentNotFoundError, ConfigError
from pipeline.valuation.model import PriceModel

Model = TypeVar("Model", bound=PriceModel)
_KINDS: dict[str, type[PriceModel]] = {}


def register(kind: type[Model]) -> type[Model]:
    """Add a class under its ``name``, as a decorator.

    Raises
    ------
    ConfigError
        When another class has the name, or one whose slug is the same.
    """
    for name, other in _KINDS.items():
        if slug(name) == slug(kind.name) and other is not kind:
            raise ConfigError(
                "two valuation models have one name",
                field="name",
                value=kind.name,
                constraint=f"{name} is {other.__module__}.{other.__qualname__}",
                fix="give the new model a name of its own",
            )
    _KINDS[kind.name] = kind
    return kind


def unregister(name: str) -> None:
    """Take a class out again; a test or a notebook that tries a model does so.

    Raises
    ------
    ComponentNotFoundError
        When there is none of that name.
    """
    get(name)
    del _KINDS[name]


def names() -> tuple[str, ...]:
    """Return the names of all models, in the order in which they joined."""
    return tuple(_KINDS)


def get(name: str) -> type[PriceModel]:
    """Return a class by its name or slug.

    Raises
    ------
    ComponentNotFoundError
        When there is none.
    """
    for known, kind in _KINDS.items():
        if slug(known) == slug(name):
            return kind
    near = difflib.get_close_matches(slug(name), [slug(known) for known in _KINDS], 1)
    raise ComponentNotFoundError(
        "no such valuation model",
        "model",
        name,
        f"one of {', '.join(sorted(_KINDS))}",
        f"did you mean {near[0]}?" if near else "`bells models list` shows them",
    )


def create(name: str, **configuration: Any) -> PriceModel:
    """Return an unfitted model.

    Raises
    ------
    ComponentNotFoundError
        When there is none of that name.
    ConfigError
        When it does not take the configuration.
    """
    kind = get(name)
    takes = {each.name for each in fields(kind)} - {"fitted"}
    for key, value in configuration.items():
        if key not in takes:
            raise ConfigError(
                f"the model {kind.name} has no such parameter",
                field=f"{kind.name}.{key}",
                value=value,
                constraint=f"one of {', '.join(sorted(takes))}",
                fix="correct or remove it",
            )
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in configuration.items()}
    return kind(**given)


def slug(name: str) -> str:
    """Return the form of a name in a URL: lower case, ``-`` for blanks and underscores."""
    return name.lower().replace("_", "-").replace(" ", "-")
