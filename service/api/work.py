"""Long work (backtests, comparisons) on a few threads, each answer made once for a snapshot."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from service.api.errors import OverloadedError


class Work:
    """A bounded pool with a cache; asked from the event loop only.

    Parameters
    ----------
    threads
        How many run at once.
    waiting
        How many more may wait; the next one is refused.
    kept
        Answers that are kept, the most recently asked ones.
    budget_s
        Longest wait of a request; the work goes on and its answer is kept.
    """

    def __init__(self, *, threads: int = 1, waiting: int = 8, kept: int = 64, budget_s: float = 30.0) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._most, self._kept, self._budget_s = threads + waiting, kept, budget_s
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    async def answer(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns, made once for a key.

        Raises
        ------
        OverloadedError
            When too many wait, or the budget is spent.
        """
        found = self._answers.get(key)
        if found is None:
            if sum(not each.done() for each in self._answers.values()) >= self._most:
                raise OverloadedError("too many long requests wait", fix="ask again in some seconds")
            found = self._answers[key] = self._open().submit(make)
            while len(self._answers) > self._kept:
                oldest = next((k for k, each in self._answers.items() if each.done()), None)
                if oldest is None:
                    break
                del self._answers[oldest]
        self._answers.move_to_end(key)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(found)), self._budget_s)
        except TimeoutError:
            raise OverloadedError("the work goes on; its answer will be kept", fix="ask again") from None

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._answers = OrderedDict((key, each) for key, each in self._answers.items() if _ended(each))

    def _open(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="work")
        return self._pool


def _ended(work: Future[Any]) -> bool:
    return work.done() and not work.cancelled()
