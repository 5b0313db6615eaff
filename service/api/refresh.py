"""Keeps the copy fresh, off the request path: a thread looks at the newest manifest and swaps the copy."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import BellsError, DataError, InsufficientDataError, WarehouseBusyError
from service.api.copy import Copy, build_copy, digest_of, fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from assets.valuation.board_read import StoredBoard
    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from resources.clock import Clock
    from warehouse.store import Warehouse

LOG = logging.getLogger("bells.api")
TABLES = ("chain.metrics_daily", "valuation.board")
PATIENCE_S = 5.0
"""How long a look at the warehouse waits for it."""
BUSY = "the warehouse is busy; bells doctor says who holds it"
"""Told to everybody, so without the command line of the holder."""
WAIT = "ask again when it is free"
GET_DATA = "`bells data update` or `make run` gets them; they are picked up without a restart"
MOST_REST_S = 2.0
"""A refresh is followed by a rest as long as itself, at most so long: requests come first."""
LOOK_ANYWAY_S = 60.0
"""Rows that were stored before they were known are found by reading again so often."""


class Source(Protocol):
    """Where copies come from."""

    def mark(self) -> object:
        """Return something that changes when there may be other rows."""
        ...

    def read(self, at: datetime) -> ValuationInputs:
        """Return the history as of an instant."""
        ...

    def board(self, feed: str, at: datetime, /) -> StoredBoard | None:
        """Return the newest board of a chain source as of an instant."""
        ...


@dataclass(frozen=True)
class WarehouseSource:
    """The rows of one chain source in the warehouse.

    Parameters
    ----------
    warehouse
        The store.
    feed
        Chain source; None where there is but one.
    config
        Names the settings that a board must have been made with.
    """

    warehouse: Warehouse
    feed: str | None
    config: str

    def mark(self) -> object:
        """Return how many manifests the chain's days and the board have, and the newest; clocks may go back.

        Raises
        ------
        DataError, WarehouseBusyError
            When the file is missing or stays locked.
        """
        with self._explained(), self.warehouse.read(timeout=PATIENCE_S) as cursor:
            return cursor.execute(
                "SELECT count(*), max(manifest_id) FROM meta.manifests WHERE table_name IN (?, ?)", TABLES
            ).fetchone()

    def read(self, at: datetime) -> ValuationInputs:
        """Return the history as of an instant, as `assets.valuation.inputs.read_history`."""
        from assets.valuation.inputs import read_history

        with self._explained():
            return read_history(self.warehouse, feed=self.feed, at=at)

    def board(self, feed: str, at: datetime, /) -> StoredBoard | None:
        """Return the newest board, as `assets.valuation.board_read.read_board`."""
        from assets.valuation.board_read import read_board

        with self._explained():
            return read_board(self.warehouse, feed=feed, config=self.config, at=at)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Say what a server's owner can do where rows, the file or a part of its schema are missing."""
        from warehouse import migrations

        try:
            yield
        except InsufficientDataError as failure:
            raise replace(failure, fix=GET_DATA) from failure
        except DataError as failure:
            if not self.warehouse.path.exists():
                raise replace(failure, fix=GET_DATA) from failure
            with self.warehouse.read(timeout=PATIENCE_S) as cursor:
                older = bool(migrations.pending(cursor))
            if not older:
                raise
            raise DataError(
                "the warehouse has an older schema than this version",
                field="meta.migrations",
                constraint="every migration of this version is applied",
                fix="run `bells data update` once: its first write brings the file to this version",
            ) from failure


@dataclass(frozen=True)
class State:
    """The copy in force, swapped as a whole.

    Parameters
    ----------
    copy
        None until there are data.
    confirmed_at
        When the copy was last known to be the newest.
    trouble
        What keeps it from being refreshed.
    """

    copy: Copy | None = None
    confirmed_at: datetime | None = None
    trouble: str | None = None
    fix: str | None = None
    """What ends the trouble."""


class Keeper:
    """Holds the state and refreshes it.

    Parameters
    ----------
    source
        Where copies come from.
    settings
        Of the models.
    clock
        Tells the time.
    poll_s
        Seconds between two looks.
    build
        Fits the models, here or in a process of its own.
    """

    def __init__(
        self,
        source: Source,
        settings: ValuationSettings,
        clock: Clock,
        *,
        poll_s: float,
        build: Callable[[ValuationInputs, ValuationSettings, datetime], Copy] = build_copy,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.state = State()
        self._source = source
        self._poll_s = poll_s
        self._build = build
        self._mark: object = None
        self._read_at = -LOOK_ANYWAY_S
        self._wake = Event()
        self._stopped = Event()
        self._swapping = Lock()
        self._thread = Thread(target=self._run, name="bells-api-refresh", daemon=True)

    def start(self) -> None:
        """Begin to look, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; a rebuild that runs is waited for a few seconds at most."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=PATIENCE_S)

    def look(self) -> None:
        """Look once: keep the copy, replace it, or say what is in the way and keep the old one."""
        now = self.clock.now()
        try:
            self._refresh(now)
        except BellsError as failure:  # the old copy stays, and /health says why
            what = BUSY if isinstance(failure, WarehouseBusyError) else failure.what
            fix = WAIT if isinstance(failure, WarehouseBusyError) else failure.fix
            self._swap(lambda state: replace(state, trouble=what, fix=fix))

    def recalibrate(self, name: str) -> Copy:
        """Fit one model of the copy anew to the copy's own rows and put it in force.

        Raises
        ------
        InsufficientDataError, FitError
            When the rows do not give a fit.
        """
        held = self.state.copy
        if held is None:
            raise BellsError("there are no data yet")
        at = self.clock.now()
        model = fitted(held.models[name], held.history, self.settings)
        self._swap(
            lambda state: (
                replace(state, copy=state.copy.with_model(model, at))
                if state.copy is not None and state.copy.inputs is held.inputs
                else state
            )
        )
        return self.state.copy or held

    def _refresh(self, now: datetime) -> None:
        mark = self._source.mark()
        due = self.clock.monotonic() - self._read_at >= LOOK_ANYWAY_S
        if mark == self._mark and not due and self.state.copy is not None:
            self._swap(lambda state: replace(state, confirmed_at=now, trouble=None, fix=None))
            return
        inputs = self._source.read(now)
        board = self._source.board(inputs.feed, now)
        held = self.state.copy
        if held is None or held.name != digest_of(inputs) or held.inputs.feed != inputs.feed:
            made = replace(self._build(inputs, self.settings, now), board=board)
            self._swap(lambda _state: State(made, now, None))
        else:
            self._swap(lambda state: State(_with_board(state.copy or held, board), now, None))
        self._mark, self._read_at = mark, self.clock.monotonic()

    def _swap(self, change: Callable[[State], State]) -> None:
        with self._swapping:
            self.state = change(self.state)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = self.clock.monotonic()
            try:
                self.look()
            except Exception as error:  # the thread must outlive a fault; /health tells it
                what = f"unexpected {type(error).__name__} while refreshing; see the log"
                if self.state.trouble != what:  # told once, not at every look
                    LOG.exception("the copy could not be refreshed")
                self._swap(lambda state: replace(state, trouble=what, fix=None))  # noqa: B023 - called at once
            self._wake.wait(max(self._poll_s, min(MOST_REST_S, self.clock.monotonic() - began)))


def _with_board(copy: Copy, board: StoredBoard | None) -> Copy:
    return copy if copy.board == board else replace(copy, board=board)
