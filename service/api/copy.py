"""The copy that answers come from: the chain as of one instant and the models fitted to it, never changed."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import BellsError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from datetime import datetime

    from assets.valuation.board_read import StoredBoard
    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.history import ChainHistory
    from pipeline.valuation.model import PriceModel

Found = TypeVar("Found")
MOST_KEPT = 256
"""Answers of one copy that are kept, the last used ones."""


class Kept:
    """Answers by their parameters, each worked out once however many ask at a time."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Found], pool: Pool) -> Future[Found]:
        """Return the answer of a key, working or done; our errors are answers too, refusals and faults not.

        Raises
        ------
        ResourceError
            When too much work waits.
        """
        with self._lock:
            held = self._found.get(key)
            if held is not None and not _faulty(held):
                self._found.move_to_end(key)
                return held
            begun = pool.submit(make)
            self._found[key] = begun
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
            return begun


def _faulty(work: Future[Any]) -> bool:
    """Whether work broke off for a reason that may pass, such as memory."""
    if not work.done() or work.cancelled():
        return False
    error = work.exception()
    return error is not None and not isinstance(error, BellsError)


class Pool:
    """A few threads, and a bound on what waits for them."""

    def __init__(self, workers: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="bells-api")
        self._most = workers + waiting
        self._held = 0
        self._closed = False
        self._lock = Lock()

    def submit(self, make: Callable[[], Found]) -> Future[Found]:
        """Start work.

        Raises
        ------
        ResourceError
            When too much of it waits already, or the service is about to end.
        """
        with self._lock:
            if self._closed:
                raise ResourceError("the service is stopping", fix="ask again when it is back")
            if self._held >= self._most:
                raise ResourceError(
                    "too many backtests and comparisons wait",
                    field="service.waiting",
                    value=self._held,
                    constraint=f"at most {self._most}",
                    fix="ask again in a second",
                )
            self._held += 1
            begun = self._threads.submit(make)
        begun.add_done_callback(self._done)
        return begun

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, _future: Future[Any]) -> None:
        with self._lock:
            self._held -= 1


@dataclass(frozen=True, eq=False)
class Copy:
    """What the service knows at one time.

    Parameters
    ----------
    inputs
        The history with its source.
    models
        By name, fitted where possible.
    reasons
        Why a model is not fitted; None where it is.
    built_at
        Instant as of which the rows were read; fits are of its day.
    name
        Digest of the rows, which names the copy.
    board
        The newest stored one of the source and the settings; None where there is none.
    kept
        Answers that took work.
    bodies
        Answers that are made at the first time for this copy and this board.
    """

    inputs: ValuationInputs
    models: Mapping[str, PriceModel]
    reasons: Mapping[str, str | None]
    built_at: datetime
    name: str
    board: StoredBoard | None = None
    kept: Kept = field(default_factory=Kept)
    bodies: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def history(self) -> ChainHistory:
        """The days of the chain."""
        return self.inputs.history

    def origin(self) -> dict[str, Any]:
        """Return where the data come from, as answers say it."""
        return {
            "source": self.inputs.feed,
            "simulated": self.inputs.simulated,
            "latest_revision": self.inputs.latest_revision,
            "data_through": self.history.date[-1].item().isoformat(),
        }

    def with_model(self, model: PriceModel, at: datetime) -> Copy:
        """Return a copy in which one model is fitted anew."""
        return replace(self, models={**self.models, model.name: model}, built_at=at, kept=Kept())


def build_copy(inputs: ValuationInputs, settings: ValuationSettings, at: datetime) -> Copy:
    """Fit every configured model to a history; one that cannot be fitted stays unfitted, with its reason.

    Raises
    ------
    ConfigError
        When the configured models cannot be put together.
    """
    from pipeline.valuation.configured import configured_models

    models: dict[str, PriceModel] = {}
    reasons: dict[str, str | None] = {}
    for model in configured_models(settings):
        try:
            models[model.name], reasons[model.name] = fitted(model, inputs.history, settings), None
        except BellsError as failure:  # told by /health, and by a 503 of this model
            models[model.name], reasons[model.name] = model, failure.what
    return Copy(inputs, models, reasons, at, digest_of(inputs))


def fitted(model: PriceModel, history: ChainHistory, settings: ValuationSettings) -> PriceModel:
    """Return a model fitted and calibrated as ``valuation.yaml`` says."""
    from pipeline.valuation.walk_forward import calibrate_or_flag

    return calibrate_or_flag(
        model, history, horizons=settings.intervals.horizons, refit=settings.backtest.refit
    )


def digest_of(inputs: ValuationInputs) -> str:
    """Return the digest of what was read."""
    return next((str(each.digest) for each in inputs.inputs if each.digest), "unnamed")
