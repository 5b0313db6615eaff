"""The copy in memory that requests are answered from, and the thread that keeps it fresh."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from types import MappingProxyType

import structlog

from pipeline.errors import BellsError, ComponentNotFoundError
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.model import PriceModel
from pipeline.valuation.registry import slug
from service.api.errors import UnavailableError

log = structlog.get_logger("service.api")


@dataclass(frozen=True, eq=False)
class Rows:
    """What was read from the warehouse: the history, whose it is, and the mark of its state."""

    history: ChainHistory
    feed: str
    simulated: bool
    mark: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One unchanging state of the service.

    Parameters
    ----------
    rows
        The history it was made from.
    models
        By slug; fitted where that was possible.
    absent
        By slug: why a model is not fitted.
    version
        Grows with every snapshot of a process.
    """

    rows: Rows
    models: Mapping[str, PriceModel]
    absent: Mapping[str, str]
    version: int

    @property
    def as_of(self) -> datetime:
        """Newest instant at which a row was known."""
        return self.rows.history.known_at.max().item().replace(tzinfo=UTC)

    @property
    def simulated(self) -> bool:
        """Whether a simulator made any row."""
        return self.rows.simulated

    def model(self, name: str) -> PriceModel:
        """Return a model by name or slug.

        Raises
        ------
        ComponentNotFoundError
            When it is not served.
        """
        found = self.models.get(slug(name))
        if found is None:
            raise ComponentNotFoundError(
                "no such valuation model", "name", name, f"one of {', '.join(self.models)}"
            )
        return found

    def fitted(self, name: str) -> PriceModel:
        """Return a model that may predict.

        Raises
        ------
        ComponentNotFoundError
            When it is not served.
        UnavailableError
            When its data are not there.
        """
        found = self.model(name)
        if not found.is_fitted:
            raise UnavailableError(f"{found.name} has no fit", "name", name, fix=self.absent.get(slug(name)))
        return found


class Copy:
    """Holds the newest snapshot; requests read one attribute and never wait.

    Parameters
    ----------
    read
        Reads the warehouse; given the mark of what is held, it returns None while nothing has changed.
    models
        Makes the unfitted models.
    fit
        Fits one; by default ``model.fit(history)``.
    """

    def __init__(
        self,
        read: Callable[[str | None], Rows | None],
        models: Callable[[], Sequence[PriceModel]],
        *,
        fit: Callable[[PriceModel, ChainHistory], PriceModel] | None = None,
    ) -> None:
        self._read, self._models = read, models
        self._fit = fit or (lambda model, history: model.fit(history))
        self._snapshot: Snapshot | None = None
        self._fresh = monotonic()
        self._change = threading.Lock()
        self._stop = threading.Event()
        self.problem: str | None = "nothing was read yet"

    @property
    def held(self) -> Snapshot | None:
        """The newest snapshot, None before the first one."""
        return self._snapshot

    def age_s(self) -> float:
        """Return the seconds since the copy was last known to equal the warehouse."""
        return monotonic() - self._fresh

    def get(self) -> Snapshot:
        """Return the newest snapshot.

        Raises
        ------
        UnavailableError
            Before the first one.
        """
        if self._snapshot is None:
            raise UnavailableError(
                "there are no data yet", "chain.metrics_daily", fix=self.problem or "materialise it first"
            )
        return self._snapshot

    def refresh(self) -> bool:
        """Read the warehouse once, keep the old snapshot when that fails, and return whether one is new."""
        with self._change:
            held = self._snapshot
            asked = monotonic()
            try:
                rows = self._read(held.rows.mark if held else None)
                if rows is not None:
                    self._snapshot = self._built(rows, held)
            except Exception as failure:  # noqa: BLE001 - the old copy stays, and health tells why
                if self.problem != str(failure):
                    log.warning("copy_not_refreshed", reason=str(failure))
                self.problem = str(failure)
                return False
            self._fresh, self.problem = asked, None
            return rows is not None

    def refit(self, name: str) -> Snapshot:
        """Fit one model to the history held and swap it in.

        Raises
        ------
        UnavailableError
            Without data.
        BellsError
            When the model cannot be fitted; the old fit stays.
        """
        with self._change:
            held = self.get()
            fresh = self._fit(held.model(name), held.rows.history)
            models = MappingProxyType({**held.models, slug(name): fresh})
            absent = {key: why for key, why in held.absent.items() if key != slug(name)}
            self._snapshot = replace(held, models=models, absent=absent, version=held.version + 1)
            return self._snapshot

    def start(self, every_s: float) -> threading.Thread:
        """Refresh in the background until `stop`."""

        def loop() -> None:
            while True:
                self.refresh()
                if self._stop.wait(every_s):
                    return

        self._stop.clear()
        thread = threading.Thread(target=loop, name="copy", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the background thread after its present round."""
        self._stop.set()

    def _built(self, rows: Rows, held: Snapshot | None) -> Snapshot:
        models: dict[str, PriceModel] = {}
        absent: dict[str, str] = {}
        for model in self._models():
            key = slug(model.name)
            try:
                models[key] = self._fit(model, rows.history)
            except BellsError as failure:  # the model is listed unfitted, with the reason
                models[key], absent[key] = model, str(failure)
        version = held.version + 1 if held else 1
        return Snapshot(rows, MappingProxyType(models), MappingProxyType(absent), version)
