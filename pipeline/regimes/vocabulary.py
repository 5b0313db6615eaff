"""The one vocabulary of regimes: four dimensions, their labels, and the codes that stand for them in arrays.

Tables and people see the words, kernels see the place of a word in its dimension (int8).  Every machine
starts in the label that `START` names; nothing here knows how a label comes about.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError

if TYPE_CHECKING:
    from pipeline.arrays import AnyArray


class EquityRegime(StrEnum):
    """Trend of the equity market."""

    BEAR = "bear"
    NEUTRAL = "neutral"
    BULL = "bull"


class VolRegime(StrEnum):
    """Level of implied volatility."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class CryptoRegime(StrEnum):
    """Trend of the crypto market."""

    RISK_OFF = "risk_off"
    RISK_ON = "risk_on"


class MacroRegime(StrEnum):
    """State of the economy."""

    CONTRACTION = "contraction"
    NEUTRAL = "neutral"
    EXPANSION = "expansion"


DIMENSIONS: dict[str, type[StrEnum]] = {
    "equity": EquityRegime,
    "vol": VolRegime,
    "crypto": CryptoRegime,
    "macro": MacroRegime,
}
"""Every dimension, in the order in which people name them."""

START: dict[str, StrEnum] = {
    "equity": EquityRegime.NEUTRAL,
    "vol": VolRegime.NORMAL,
    "crypto": CryptoRegime.RISK_OFF,
    "macro": MacroRegime.NEUTRAL,
}
"""Where each machine starts, and where it falls to when its inputs are stale."""


def code(label: StrEnum) -> int:
    """Return the place of a label in its dimension.

    Examples
    --------
    >>> code(CryptoRegime.RISK_ON), code(MacroRegime.CONTRACTION)
    (1, 0)
    """
    return list(type(label)).index(label)


def labels(dimension: str, codes: AnyArray) -> list[str]:
    """Return the words of an array of codes.

    Raises
    ------
    ComponentNotFoundError
        When there is no such dimension.
    """
    import numpy as np  # the settings read the words, and load without numpy

    if dimension not in DIMENSIONS:
        raise ComponentNotFoundError(
            "no such dimension of regimes", "dimension", dimension, f"one of {', '.join(DIMENSIONS)}"
        )
    words = [str(label) for label in DIMENSIONS[dimension]]
    return [words[place] for place in np.asarray(codes).tolist()]
