"""Hold-out windows: days that nobody looks at before one run on them, by command, once.

A window belongs to a strategy, whatever its universe or parameters, and to every book with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.calendar.grid import CELL, cell_label, cell_of_close
from pipeline.errors import ComponentNotFoundError, ConfigError, RefusedError


class Kind(StrEnum):
    """What happened to a window."""

    DECLARED = "declared"
    OPENED = "opened"
    SHOWN = "shown"


@dataclass(frozen=True)
class Window:
    """Days of one strategy, ``[start, end)``, in whole cells of the H4 grid.

    A start inside a cell is moved back to its beginning and an end inside one forward to its end, so that no
    cell which touches the window is outside it.

    Raises
    ------
    ConfigError
        When it is empty.
    """

    strategy: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ConfigError(
                "the hold-out window is empty",
                field="--end",
                value=self.end.isoformat(),
                constraint=f"after {self.start.isoformat()}",
                fix="give an end after the start",
            )
        object.__setattr__(self, "start", cell_label(self.start))
        object.__setattr__(self, "end", cell_of_close(self.end) + CELL)

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Return whether it shares an instant with ``[start, end)``."""
        return self.start < end and start < self.end


@dataclass(frozen=True)
class Event:
    """One line about a window.

    Parameters
    ----------
    kind, window
        What happened to which.
    configuration
        Hash of settings and version of the code that opened it; of no meaning in a declaration.
    """

    kind: Kind
    window: Window
    configuration: tuple[str, str]


def closed(events: Iterable[Event]) -> list[Window]:
    """Return the windows that are declared and not opened."""
    windows: dict[Window, None] = {}
    for event in events:
        if event.kind is Kind.DECLARED:
            windows[event.window] = None
        else:
            windows.pop(event.window, None)
    return list(windows)


def require_unseen(
    events: Iterable[Event],
    strategies: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    ran: bool = False,
) -> None:
    """Refuse a run whose window reaches into a closed hold-out window of one of its strategies.

    Parameters
    ----------
    events
        What happened to windows.
    strategies, start, end
        Of the run.
    ran
        Whether it has run already and is to be stored: then the window was declared meanwhile.

    Raises
    ------
    RefusedError
        Naming the window.
    """
    for window in closed(events):
        if window.strategy in strategies and window.overlaps(start, end):
            raise RefusedError(
                f"days of this run were held out for {window.strategy} while it ran; they are not stored"
                if ran
                else f"the run would see the hold-out window of {window.strategy}",
                field="window",
                value=f"{start.isoformat()} to {end.isoformat()}",
                constraint=f"outside {window.start.isoformat()} to {window.end.isoformat()}",
                fix=f"end it by --set backtest.end={window.start.isoformat()}; when the choice is made,"
                f" `bells optimize holdout open {window.strategy}` opens the window, once",
            )


def require_declarable(events: Iterable[Event], window: Window, seen: int) -> None:
    """Refuse a window that cannot be a hold-out.

    Parameters
    ----------
    events
        Of its strategy.
    window
        What is to be held out.
    seen
        Runs of the ledger with this strategy whose windows overlap it.

    Raises
    ------
    RefusedError
        When days of it were seen already, or another window of the strategy is closed.
    """
    waiting = closed(events)
    if waiting:
        raise RefusedError(
            f"{window.strategy} has a hold-out window that is not opened",
            field="window",
            value=f"{waiting[0].start.isoformat()} to {waiting[0].end.isoformat()}",
            constraint="one at a time",
            fix="open it first",
        )
    if seen:
        raise RefusedError(
            f"runs with {window.strategy} have seen days of this window",
            field="window",
            value=f"{window.start.isoformat()} to {window.end.isoformat()}, {seen} in ledger.trials",
            constraint="days that no run has seen",
            fix="choose days after every run so far, such as those still to come",
        )


def window_to_open(
    events: Sequence[Event], strategy: str, configuration: tuple[str, str]
) -> tuple[Window, bool]:
    """Return the window that an opening is about, and whether it was opened before and never shown.

    An opening that was cut short may be repeated by the same configuration: nobody has seen anything.

    Raises
    ------
    ComponentNotFoundError
        When none was declared.
    RefusedError
        When it was opened before.
    """
    waiting = closed(events)
    if waiting:
        return waiting[0], False
    if not events:
        raise ComponentNotFoundError(
            f"{strategy} has no hold-out window",
            field="strategy",
            value=strategy,
            constraint="a declared window",
            fix=f"`bells optimize holdout declare {strategy} --start DATE --end DATE` declares one",
        )
    last = events[-1]
    if last.kind is Kind.OPENED and last.configuration == configuration:
        return last.window, True
    raise RefusedError(
        f"the hold-out window of {strategy} was opened before",
        field="window",
        value=f"{last.window.start.isoformat()} to {last.window.end.isoformat()}",
        constraint="opened once",
        fix="declare another window on days that no run has seen",
    )
