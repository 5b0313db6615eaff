"""What a run is locked to: name, version, origin and text of each strategy's code.

The version is a promise of the author; the digest of the text says whether it was kept.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import TamperedError
from pipeline.strategies.code_text import code_digest, loaded_digest
from pipeline.strategies.registry import BUILT_IN, origin_of

if TYPE_CHECKING:
    from pipeline.strategies.port import Strategy


@dataclass(frozen=True)
class Lock:
    """One strategy as this process has loaded it.

    Attributes
    ----------
    name, version
        As the code says.
    origin
        ``built in``, or the package with its version.
    digest
        SHA-256 (hex) of the text of its module, or of all modules of its package.
    """

    name: str
    version: str
    origin: str
    digest: str

    @property
    def built_in(self) -> bool:
        """Whether it ships, so that the version of our code covers it."""
        return self.origin == BUILT_IN


def lock_of(strategy: "Strategy") -> Lock:
    """Return the lock of a strategy."""
    return Lock(strategy.name, strategy.version, origin_of(strategy.name), loaded_digest(type(strategy)))


def require_unchanged(lock: Lock, strategy: "Strategy") -> None:
    """Refuse a strategy whose version, package or text on disk is no longer what was locked.

    Raises
    ------
    TamperedError
        When one of them differs.
    """
    kind = type(strategy)
    now = Lock(strategy.name, strategy.version, origin_of(strategy.name), code_digest(kind))
    for field in ("name", "version", "origin", "digest"):
        if getattr(now, field) != getattr(lock, field):
            raise TamperedError(
                f"the code of {lock.name} {lock.version} changed while it was in use",
                field,
                getattr(now, field),
                getattr(lock, field),
                "start again: what was computed so far belongs to the old code",
            )
