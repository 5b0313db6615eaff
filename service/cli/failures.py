"""From a failure that Dagster recorded as text back to one of ours, with its exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline import errors
from pipeline.errors import BellsError, CheckFailedError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster_shared.error import SerializableErrorInfo

BLOCKED = "DagsterAssetCheckFailedError"
"""Dagster's name for a blocking check that said no."""

INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""Dagster's names for Ctrl-C and SIGTERM."""

_REFUSED = re.compile(
    r"No space left on device|disk is full|Disk quota exceeded|Read-only file system|readonly database"
)
"""Words of the system, DuckDB and SQLite for a disk that takes no more writes."""

_DETAILS = re.compile(r"(?:^|; )(field|value|constraint|fix): ")


def failure_of(error: SerializableErrorInfo | None, step: str) -> BellsError:
    """Return what stopped a step: the first of our own errors in its chain, else what can be said of it.

    Parameters
    ----------
    error
        The record of Dagster; its causes and contexts are walked.
    step
        The step it stopped.

    Returns
    -------
    BellsError
        Of the class that was raised; `CheckFailedError` for a blocking check; plain (exit code 255) for
        anything else.
    """
    for link in _chain(error):
        kind = tree().get(link.cls_name or "")
        if kind is not None:
            return parsed(kind, link.message)
        if link.cls_name == BLOCKED:
            return _blocked(link.message)
    innermost = list(_chain(error))[-1:]
    said = _said(innermost[0].message) if innermost else "no message"
    if _REFUSED.search(said):
        return refused_by_disk(said)
    return BellsError(
        f"{step} failed: {said}", field=step, fix="this is a fault of ours: see the run in the Dagster UI"
    )


def disk_said(bug: BaseException) -> str | None:
    """Return the words with which the disk refused a write, from anywhere in the chain; None for all else."""
    link: BaseException | None = bug
    while link is not None:
        if isinstance(link, Exception) and _REFUSED.search(str(link)):
            return str(link)
        link = link.__cause__ or link.__context__
    return None


def refused_by_disk(said: str) -> ResourceError:
    """Return the error of a disk that is full or takes no writes, whoever met it first."""
    return ResourceError(
        "the disk takes no more writes; what was committed stays",
        field="EIGHTBELLS_HOME",
        value=said,
        constraint="a disk with room that this user may write to",
        fix="free space, give yourself the right to write there, or move EIGHTBELLS_HOME, and repeat",
    )


def interrupted(error: SerializableErrorInfo | None) -> bool:
    """Return whether a person stopped the step: an interrupt is somewhere in the chain."""
    return any(link.cls_name in INTERRUPTS for link in _chain(error))


def tree() -> dict[str, type[BellsError]]:
    """Return every class of the exception tree by name."""
    found: dict[str, type[BellsError]] = {}
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, BellsError):
            found[thing.__name__] = thing
    return found


def parsed(kind: type[BellsError], message: str) -> BellsError:
    """Return the error whose ``str`` is the message, apart from the class name that Dagster puts first."""
    said = _said(message)
    what, bracket, rest = said.partition(" [")
    parts = _DETAILS.split(rest.removesuffix("]")) if bracket else []
    if len(parts) < 3 or parts[0]:  # noqa: PLR2004 - nothing before the first name, then names and texts
        return kind(said)
    details = dict(zip(parts[1::2], parts[2::2], strict=True))
    return kind(
        what,
        field=details.get("field"),
        value=_Shown(details["value"]) if "value" in details else None,
        constraint=details.get("constraint"),
        fix=details.get("fix"),
    )


class _Shown(str):
    """A value that is already shown as ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _said(message: str) -> str:
    return re.sub(r"^[\w.]+(?:Error|Exception|Failure): ", "", message.strip(), count=1)


def _blocked(message: str) -> CheckFailedError:
    named = [line.strip() for line in message.splitlines()[1:] if line.strip()]
    return CheckFailedError(
        "a blocking check on the data failed",
        field="; ".join(named) or None,
        constraint="blocking checks pass before anything downstream runs",
        fix="look at the check's numbers above, repair the source, and run again",
    )


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause or error.context
