"""Schwab: known by name, and refused with the reason."""

from __future__ import annotations

from typing import NoReturn

from pipeline.errors import ConfigError

REASON = (
    "schwab's market data ask for an approved application, a brokerage account, and a person who signs in "
    "with a browser every seven days: a desk that runs by itself cannot"
)


def open_schwab() -> NoReturn:
    """Refuse.

    Raises
    ------
    ConfigError
        Always; says why, and what has the same bars.
    """
    raise ConfigError(
        REASON,
        field="venue",
        value="schwab",
        constraint="a venue that answers without a person",
        fix="name yahoo or alpaca for US equities, or the files source for bars that you hold",
    )
