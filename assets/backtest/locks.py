"""The versions that a run is locked to, from its first look at a strategy to the row that it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.manifests import code_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.strategies.lock import Lock
    from pipeline.strategies.port import Strategy


def locked(strategies: Iterable[Strategy]) -> tuple[tuple[Strategy, Lock], ...]:
    """Return the lock of each strategy of a run."""
    from pipeline.strategies.lock import lock_of

    return tuple((strategy, lock_of(strategy)) for strategy in strategies)


def code_of(locks: Iterable[tuple[Strategy, Lock]]) -> str:
    """Return the version of all code that a run used: ours, then each installed strategy with its text.

    Two runs of an installed strategy with one version and two texts are two trials, and can be told apart.

    Raises
    ------
    TamperedError
        When a strategy is no longer what it was when the run began.
    """
    from pipeline.strategies.lock import require_unchanged

    words = [code_version()]
    for strategy, lock in locks:
        require_unchanged(lock, strategy)
        if not lock.built_in:
            words.append(f"{lock.name} {lock.version} {lock.digest[:12]} of {lock.origin}")
    return ", ".join(words)
