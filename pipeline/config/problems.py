"""Turns what pydantic found into one `ConfigError` that says where, what and how to mend it."""

import difflib
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.config.document import KeyPath
from pipeline.config.secrets import masked
from pipeline.errors import ConfigError

_SHOWN = 8
_MAPPING = ("a mapping of keys", "its keys below it, indented")
_WANTED = {
    "float_type": ("a number", "a number without quotes, such as 0.5"),
    "int_type": ("a whole number", "a whole number without quotes, such as 5"),
    "int_from_float": ("a whole number", "a whole number without quotes, such as 5"),
    "bool_type": ("true or false", "true or false without quotes"),
    "string_type": ("a text", "it in quotes"),
    "datetime_type": ("a date or an instant", "it as 2020-01-31 or 2020-01-31T00:00:00Z"),
    "tuple_type": ("a list", "it as [a, b]"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
}


def explain(
    error: ValidationError,
    model: type[BaseModel],
    *,
    prefix: KeyPath = (),
    where: Callable[[KeyPath], str] = lambda _path: "",
) -> ConfigError:
    """Return the error for people.

    Parameters
    ----------
    error
        What ``model.model_validate`` raised.
    model
        The model; unknown keys are compared with the ones it has at that place.
    prefix
        The path of the model inside the settings, such as ``("strategies", "EquityTrend", "parameters")``.
    where
        Source of a path, shown before the sentence: ``configs/base/system.yaml:12`` or ``command line``.

    Returns
    -------
    ConfigError
        About the first problem, naming the fields of the others.  Secrets are masked.
    """
    problems = sorted(error.errors(include_url=False), key=_rank)
    first = problems[0]
    path = (*prefix, *_location(first))
    what, constraint, fix = _sentence(first, model)
    others = [".".join((*prefix, *_location(problem))) for problem in problems[1:]]
    if others:
        more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        what += f" (further problems: {', '.join(others[:_SHOWN])}{more})"
    source = where(path)
    value = None if first["type"] == "missing" else first.get("input")
    if isinstance(value, (BaseModel, dict)):
        value = None
    return ConfigError(
        f"{source}: {what}" if source else what,
        field=".".join(path),
        value=masked(value, name=path[-1] if path else ""),
        constraint=constraint,
        fix=fix,
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a person may have meant, or None."""
    folded = {item.casefold(): item for item in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return the sentence that says what to write instead."""
    close = nearest(name, known)
    return f"did you mean {close}?" if close else "use one of: " + ", ".join(known)


def keys_at(model: Any, path: Sequence[str]) -> list[str] | None:
    """Return the keys a model takes below a path; None where any key goes."""
    model = _bare(model)
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not path:
            return list(model.model_fields)
        field = model.model_fields.get(path[0])
        return keys_at(field.annotation, path[1:]) if field else None
    if get_origin(model) is dict and path:
        return keys_at(get_args(model)[1], path[1:])
    return None


def _bare(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(item for item in get_args(annotation) if item is not type(None))
    return annotation


def _location(problem: Any) -> KeyPath:
    at = problem.get("ctx", {}).get("at", "")
    path = tuple(str(part) for part in problem["loc"] if part != "[key]")
    return (*path, *at.split(".")) if at else path


def _rank(problem: Any) -> int:
    """Unknown keys first: a key that is missing is often the one that was misspelt."""
    return 0 if problem["type"] == "extra_forbidden" else 1


def _sentence(problem: Any, model: type[BaseModel]) -> tuple[str, str, str]:
    kind = problem["type"]
    path = _location(problem)
    message = problem["msg"].removeprefix("Input should be ")
    context = problem.get("ctx", {})
    if kind == "rule":
        return context["what"], context["constraint"], context["fix"]
    if kind == "extra_forbidden":
        known = keys_at(model, path[:-1]) or []
        return (
            f"the key {path[-1]} is not known here",
            "one of " + ", ".join(known),
            did_you_mean(path[-1], known),
        )
    if kind == "missing":
        return f"the key {path[-1]} is missing", "a required key", f"add {path[-1]}: with its value"
    if kind in {"literal_error", "enum"}:
        known = [item.strip("' ") for item in context["expected"].replace(" or ", ", ").split(",")]
        return "the value is not one of those allowed", message, did_you_mean(str(problem["input"]), known)
    if kind in _WANTED:
        wanted, example = _WANTED[kind]
        return f"{_named_type(problem['input'])} stands where {wanted} is due", wanted, f"write {example}"
    message = "the form " + context["pattern"] if kind == "string_pattern_mismatch" else message
    return "the value is out of range or has the wrong form", message, _meaning(model, path)


def _named_type(value: object) -> str:
    names = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}
    names |= {"NoneType": "null", "list": "a list", "tuple": "a list", "dict": "a mapping"}
    return names.get(type(value).__name__, type(value).__name__)


def _meaning(model: Any, path: Sequence[str]) -> str:
    """Return what the field is for, as its declaration says, or the way to the page that does."""
    for depth, key in enumerate(path):
        model = _bare(model)
        if get_origin(model) is dict:
            model = get_args(model)[1]
        elif isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
            field = model.model_fields[key]
            if depth == len(path) - 1 and field.description:
                return f"give a value that meets the constraint; {key} is: {field.description}"
            model = field.annotation
    return "give a value that meets the constraint; docs/configuration.md lists every key"
