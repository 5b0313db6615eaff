"""Simulated worlds whose regimes are strong and long enough to be told apart.

They are parameterisations of the world that ships (``configs/sources/sample.yaml``): the same laws, fewer
assets, regimes of their own:

- ``trend``: equities rise by 20 % a year at 12 % volatility for three years on average, and fall by 40 % at
  20 % for half as long.  Crypto takes turns of the same length at its own scale, bitcoin's last rise and fall
  in the real folder, rounded: +160 % at 75 % (2020-03 to 2021-11), -140 % at 65 % (2021-11 to 2022-11).
- ``same_law``: as ``trend``, with the drift and volatility of equities for crypto too; shown, not bounded.
- ``volatility``: equities are calm (10 %) for three years on average, and wild (30 %) for half as long.

Drifts are logarithmic.  Jumps are off, since the volatilities above are all there is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.harness import ROOT
from pipeline.calendar.grid import CELL64, cell_label, to_time64
from pipeline.config import Loaded, load_settings
from pipeline.config.document import read_document
from pipeline.market.sample.frames import History
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.regimes import plant
from pipeline.market.sample.returns import simulate
from pipeline.market.sample.steps import CELLS_PER_DAY, clockwork
from pipeline.market.sample.world import World

if TYPE_CHECKING:
    from datetime import datetime

Kind = Literal["trend", "same_law", "volatility", "realistic"]

LONG, SHORT = {"mean_days": 1096, "least_days": 250}, {"mean_days": 548, "least_days": 250}
UP, DOWN = (0.20, 0.12), (-0.40, 0.20)
CRYPTO_UP, CRYPTO_DOWN = (1.60, 0.75), (-1.40, 0.65)
"""Drift and volatility a year."""
CALM, USUAL, WILD = 0.10, 0.16, 0.30


class TiedWorld(World):
    """A world in which equities are as volatile as their trend says, to the day."""

    def history(self, now: datetime) -> History:
        """Draw the world with the volatility regime taken from the equity regime."""
        start, laws = to_time64(self.parameters.start), self.parameters.classes
        until = to_time64(cell_label(now)) + CELL64
        cells = int((until - start) // CELL64)
        regimes = plant(self.parameters.regimes, self.parameters.seed, -(-cells // CELLS_PER_DAY))
        calm, wild = (STATES["volatility"].index(state) for state in ("low", "high"))
        rising = regimes["equity"] == STATES["equity"].index("bull")
        regimes["volatility"] = np.where(rising, calm, wild)
        clock = clockwork(start, cells, laws.equity, laws.crypto, self.calendar)
        return History(until, clock, regimes, simulate(self.parameters, self.classes, clock, regimes))


@cache
def settings() -> Loaded:
    """Return the settings that ship."""
    return load_settings(root=ROOT, environ={})


@cache
def shipped() -> dict[str, Any]:
    """Return the parameters of the world that ships."""
    return read_document(ROOT / "configs" / "sources" / "sample.yaml", root=ROOT).data


def world_of(kind: Kind, seed: int) -> World:
    """Return one world; ``realistic`` is the one that ships under another seed."""
    instruments = settings().settings.instruments
    if kind == "realistic":
        return World(WorldParameters.model_validate(shipped() | {"seed": seed}), instruments)
    parameters = WorldParameters.model_validate(_strong(kind) | {"seed": seed})
    return World(parameters, instruments) if kind == "volatility" else TiedWorld(parameters, instruments)


def _strong(kind: Kind) -> dict[str, Any]:
    raw = shipped()
    equity, crypto = raw["classes"]["equity"], raw["classes"]["crypto"]
    levels = (CALM, USUAL, WILD) if kind == "volatility" else (UP[1], USUAL, DOWN[1])
    coin_up, coin_down = (UP, DOWN) if kind == "same_law" else (CRYPTO_UP, CRYPTO_DOWN)
    regimes = {
        "macro": raw["regimes"]["macro"],
        "equity": _two_of("bull", "neutral", "bear"),
        "volatility": _two_of("low", "normal", "high"),
        "crypto": {
            "first": "risk_on",
            "given": None,
            "states": {"risk_on": LONG, "risk_off": SHORT},
            "next": None,
        },
    }
    laws = {
        "equity": equity
        | {
            "drift": {"bull": UP[0], "neutral": 0.0, "bear": DOWN[0]},
            "volatility": dict(zip(STATES["volatility"], levels, strict=True)),
            "jumps": equity["jumps"] | {"per_year": 0.0},
        },
        "crypto": crypto
        | {
            "drift": {"risk_on": coin_up[0], "risk_off": coin_down[0]},
            "volatility": {"risk_on": coin_up[1], "risk_off": coin_down[1]},
            "jumps": crypto["jumps"] | {"per_year": 0.0},
        },
    }
    assets = {symbol: raw["assets"][symbol] for symbol in ("SPY", "BTC/USD")}
    return raw | {"regimes": regimes, "classes": laws, "assets": assets}


def _two_of(first: str, never: str, last: str) -> dict[str, Any]:
    """Return a chain in which the first and the last state take turns."""
    return {
        "first": first,
        "given": None,
        "states": {first: LONG, never: LONG, last: SHORT},
        "next": {"any": {first: 1.0, never: 0.0, last: 1.0}},
    }
