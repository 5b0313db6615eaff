"""The base of every settings model and the field types they share.

One idea: a settings object is frozen, takes no unknown key, converts nothing silently (the text ``"5"``
is not the number 5) and holds finite numbers only.
"""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """Frozen, closed and literal: what every settings model inherits."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def broken_rule(
    constraint: str, fix: str, *, what: str = "the value breaks a rule", at: str = ""
) -> Exception:
    """Return the error that a validator raises, with the parts that `pipeline.config.problems` shows.

    Parameters
    ----------
    constraint
        The rule.
    fix
        What to do now.
    what
        One sentence: what went wrong.
    at
        The path below the validated model of the field concerned, such as ``drawdown_release``.
    """
    return PydanticCustomError(
        "rule", "{what}", {"what": what, "constraint": constraint, "fix": fix, "at": at}
    )


def _instant(value: Any) -> Any:
    """Read ISO 8601; a date alone means midnight UTC, a time without zone is refused."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise broken_rule(
                "a date or an instant by ISO 8601",
                "write it as 2020-01-31 or 2020-01-31T00:00:00Z",
                what="the text is not a date",
            ) from error
        if value.tzinfo is None and value.time() == time(0):
            value = value.replace(tzinfo=UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(0), UTC)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise broken_rule("an instant with its zone", "append Z for UTC", what="the instant has no zone")
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise broken_rule(
                "an instant of the years 1 to 9999 in UTC",
                "write a later or an earlier one",
                what="no such instant",
            ) from error
    return value


def _one_or_more(value: Any) -> Any:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list | tuple) and texts and all(isinstance(t, str) and t for t in texts):
        return value if isinstance(value, str) else tuple(texts)
    raise broken_rule(
        "a name or a list of names",
        "write NAME or [NAME, NAME]",
        what="neither a name nor a list of names stands here",
    )


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


Instant = Annotated[datetime, BeforeValidator(_instant)]
"""An instant in UTC; YAML may say ``2020-01-31`` for midnight UTC."""
PathText = Annotated[str, BeforeValidator(_path), Field(min_length=1, max_length=4096)]
"""A path as text; relative ones are taken from the project root."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share of one: 0.15 is 15 %."""
BasisPoints = Annotated[float, Field(ge=0.0, le=1000.0)]
"""Hundredths of a percent, per side."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
"""A text that is not empty."""
OneOrMore = Annotated[str | tuple[str, ...], BeforeValidator(_one_or_more)]
"""A text, or a list of at least one."""
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
"""A list of texts, at least one."""
