"""Asking a venue politely: a pace between requests, three further tries, and the venue's word on when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from resources.clock import Clock

T = TypeVar("T")

DELAYS_S = (1.0, 2.0, 4.0)
"""Waits before the second, third and fourth try, seconds."""
LONGEST_WAIT_S = 60.0
"""A venue that asks for a longer pause than this is out of reach for now."""


class PassingError(ConnectionError):
    """A failure that may be over in a moment: an outage, a limit, a broken answer.

    Parameters
    ----------
    reason
        What happened, without secrets.
    retry_after_s
        How long the venue asked to wait, seconds; None where it said nothing.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass
class Patience:
    """The pace and the tries of one venue; every request of its adapter goes through `ask`.

    Parameters
    ----------
    clock
        Tells and waits.
    spacing_s
        Least time between the starts of two requests, seconds.
    delays_s
        Waits before further tries, seconds; a longer word of the venue wins.
    longest_wait_s
        The longest single wait.
    fix
        What a person may do when it did not deliver.
    """

    clock: Clock
    spacing_s: float = 0.0
    delays_s: tuple[float, ...] = DELAYS_S
    longest_wait_s: float = LONGEST_WAIT_S
    fix: str = "try again later; what is stored stays, and `--allow-stale` goes on with it"
    requests: int = field(default=0, init=False)
    _next_at: float = field(default=float("-inf"), init=False, repr=False)

    def ask(self, question: Callable[[], T], *, of: str, about: str) -> T:
        """Return the answer; ask again while it fails in passing.

        Parameters
        ----------
        question
            Makes one request; raises `PassingError` where trying again may help.
        of, about
            The venue and what was asked, for the message.

        Raises
        ------
        SourceError
            From the last `PassingError`, when no try succeeded or the venue wants a longer pause; at once,
            without a request, while such a pause lasts.
        """
        for delay in (*self.delays_s, None):
            self._keep_pace(of, about)
            try:
                return question()
            except PassingError as error:
                wait = max(delay or 0.0, error.retry_after_s or 0.0)
                self._next_at = max(self._next_at, self.clock.monotonic() + (error.retry_after_s or 0.0))
                if delay is None or wait > self.longest_wait_s:
                    raise self._given_up(error, of, about) from error
                self._sleep(wait)
        raise AssertionError  # the last round returns or raises

    def _keep_pace(self, of: str, about: str) -> None:
        early = self._next_at - self.clock.monotonic()
        if early > max(self.longest_wait_s, self.spacing_s):
            raise self._given_up(PassingError("it asked for a pause that lasts", early), of, about)
        if early > 0:
            self._sleep(early)
        self._next_at = self.clock.monotonic() + self.spacing_s
        self.requests += 1

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))

    def _given_up(self, error: PassingError, of: str, about: str) -> SourceError:
        asked = "" if error.retry_after_s is None else f", which asks to wait {error.retry_after_s:g} s"
        return SourceError(
            f"{of} did not deliver{asked}: {error}",
            field=of,
            value=about,
            constraint=f"an answer within {len(self.delays_s) + 1} tries",
            fix=self.fix,
        )
