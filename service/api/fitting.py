"""The process that fits the models: it keeps the interpreter of the requests free, and gives way to them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import ResourceError
from service.api.copy import Copy, build_copy, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.model import PriceModel

NICE = 10
_DIE_WITH_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


class Fitting:
    """Builds copies in one process of its own, which is started by the first one."""

    def __init__(self) -> None:
        self._pool = _pool()

    def __call__(self, inputs: ValuationInputs, settings: ValuationSettings, at: datetime) -> Copy:
        """Return the copy, as `service.api.copy.build_copy`.

        Raises
        ------
        ResourceError
            When the process has ended; the next call starts another.
        """
        plain = replace(inputs.history, columns=dict(inputs.history.columns))  # a view cannot be sent
        sent = replace(inputs, history=plain)
        try:
            back, models, reasons = self._pool.submit(_fit, sent, settings, at).result()
        except BrokenProcessPool as error:
            self._pool = _pool()
            raise ResourceError(
                "the process that fits the models has ended",
                field="memory",
                constraint="about 400 MB for it",
                fix="free memory; the next look starts another one",
            ) from error
        return Copy(back, models, reasons, at, digest_of(back))

    def close(self) -> None:
        """End the process and wait for it: the exit would else write to a pipe that is being closed."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _step_back)


def _step_back() -> None:
    """Leave Ctrl-C to the parent, end with it, and let its requests have the processor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    os.nice(NICE)


def _fit(
    inputs: ValuationInputs, settings: ValuationSettings, at: datetime
) -> tuple[ValuationInputs, Mapping[str, PriceModel], Mapping[str, str | None]]:
    made = build_copy(inputs, settings, at)
    return made.inputs, made.models, made.reasons
