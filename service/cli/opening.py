"""From command line options to an open desk: overrides, dates, and the desk itself."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.desk import Desk


def overrides_of(
    assignments: Sequence[str] | None, source: str | None = None, **fields: object
) -> dict[str, object]:
    """Return settings by dotted path from ``--set``, ``--source`` and options that stand for one field.

    Parameters
    ----------
    assignments
        ``KEY=VALUE`` texts; the last one of a key wins.
    source
        Value of ``--source``.
    **fields
        Dotted paths with ``__`` for the dot; None means not given.

    Raises
    ------
    ConfigError
        When a text is not an assignment, or two options set one field.
    """
    from pipeline.config.load import parse_assignment

    chosen: dict[str, object] = dict(parse_assignment(text) for text in assignments or ())
    for name, value in {"source": source, **fields}.items():
        path = name.replace("__", ".")
        if value is None:
            continue
        if path in chosen or f"system.{path}" in chosen:
            raise ConfigError(
                "one setting is given twice",
                field=path,
                value=value,
                constraint="once on the command line",
                fix=f"drop --set {path}=... or the option --{path.rpartition('.')[2]}",
            )
        chosen[path] = value
    return chosen


def open_for(
    assignments: Sequence[str] | None, source: str | None = None, *, writes: bool = False, **fields: object
) -> Desk:
    """Open the desk that the options describe.

    Parameters
    ----------
    assignments, source, **fields
        As `overrides_of`.
    writes
        Whether the command may create the home directory; one that only reads leaves the disk alone.

    Raises
    ------
    ConfigError
        When a setting is wrong; nothing is created on disk then.
    ResourceError
        When the home directory cannot be prepared.
    """
    from resources.desk import open_desk

    desk = open_desk(os.environ, overrides=overrides_of(assignments, source, **fields))
    if writes:
        desk.home.prepare()
    return desk


def instant(option: str, text: str | None) -> datetime | None:
    """Read a date or an instant of the command line; a date means midnight UTC, a month its first day.

    Raises
    ------
    ConfigError
        When it is no date, or an instant without time zone.
    """
    if text is None:
        return None
    whole = f"{text}-01" if len(text) == len("2024-01") else text
    try:
        parsed = datetime.fromisoformat(whole)
    except ValueError as error:
        raise _no_instant(option, text) from error
    if parsed.tzinfo is None and len(whole) > len("2024-01-31"):
        raise _no_instant(option, text)
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError as error:
        raise _no_instant(option, text) from error


def window_of(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """Read ``--start`` and ``--end``.

    Raises
    ------
    ConfigError
        When one is no instant, or the end does not come after the start.
    """
    first, last = instant("--start", start), instant("--end", end)
    if first is not None and last is not None and last <= first:
        raise ConfigError(
            "the window is empty",
            field="--end",
            value=end,
            constraint=f"after --start {start}",
            fix="give an end after the start",
        )
    return first, last


def _no_instant(option: str, text: str) -> ConfigError:
    return ConfigError(
        "this is not a date",
        field=option,
        value=text,
        constraint="a month 2024-01, a date 2024-01-31 (midnight UTC), or 2024-01-31T12:00+00:00",
        fix="write it in one of these forms",
    )
