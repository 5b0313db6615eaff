"""Which failures a retry can help: an outage or a busy warehouse, never wrong data, settings or code."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import dagster as dg

from pipeline.errors import WarehouseBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

PASSING = (WarehouseBusyError, ConnectionError, TimeoutError)
"""What may be over in a moment; an adapter raises its own error from one of these."""
POLICY = dg.RetryPolicy(max_retries=3, delay=1, backoff=dg.Backoff.EXPONENTIAL)


def retried_when_passing(body: Callable[P, R]) -> Callable[P, R]:
    """Return the asset body with its lasting failures marked: the retry policy leaves those alone.

    Raises
    ------
    dg.Failure
        From the failure itself, when nothing in its chain is one of `PASSING`, and from an interrupt: whoever
        stops a run does not want it tried again.
    """

    @wraps(body)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as stop:
            raise dg.Failure("interrupted; what was committed stays", allow_retries=False) from stop
        except Exception as failure:
            if isinstance(failure, dg.Failure) or any(isinstance(link, PASSING) for link in _chain(failure)):
                raise
            raise dg.Failure(str(failure), allow_retries=False) from failure

    return guarded


def _chain(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__
