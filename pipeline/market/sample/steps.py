"""The half-hour steps of the simulated world and how much of a day's variance each of them carries.

Every session opens and closes on a half hour, so bars are whole numbers of steps.  Weights come from the
calendar and the profiles alone, never from what was drawn, so a longer world does not change earlier ones.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Int1D, Time1D
from pipeline.calendar.sessions import session_table
from pipeline.errors import TimestampError
from pipeline.market.sample.parameters import STEPS_PER_SESSION, CryptoLaw, EquityLaw

STEP = np.timedelta64(1_800_000_000, "us")
STEPS_PER_CELL = 8
STEPS_PER_DAY = 48
CELLS_PER_DAY = 6
SESSIONS_PER_YEAR = 252.0
DAYS_PER_YEAR = 365.25
_WEEK = 7
_WEEKEND_DAYS = 2
_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""


@dataclass(frozen=True)
class Clockwork:
    """When each class of assets moves, shape ``(steps,)`` unless said otherwise.

    ``at`` is the start of each step; ``equity`` and ``crypto`` are variance weights, in sessions and in UTC
    days; ``in_session`` tells equity trading steps; ``profile`` is a step's share of a full session's volume.
    """

    at: Time1D
    equity: Float1D
    crypto: Float1D
    in_session: Bool1D
    profile: Float1D

    @property
    def cells(self) -> int:
        """Number of H4 cells."""
        return self.at.size // STEPS_PER_CELL


def clockwork(
    start: np.datetime64, cells: int, equity: EquityLaw, crypto: CryptoLaw, calendar: str
) -> Clockwork:
    """Return the steps of ``cells`` H4 cells from ``start`` (00:00 UTC of a day)."""
    at = np.arange(start, start + cells * STEPS_PER_CELL * STEP, STEP)
    weight, in_session, profile = _equity_weights(at, equity, calendar)
    return Clockwork(at, weight, _crypto_weights(at, crypto), in_session, profile)


def step_of(instants: Time1D, start: np.datetime64) -> Int1D:
    """Return the number of steps from the start of the world to each instant.

    Raises
    ------
    TimestampError
        When an instant is not on a half hour: such a session cannot be made of steps.
    """
    steps, rest = np.divmod(instants - start, STEP)
    if rest.astype(np.int64).any():
        bad = instants[rest.astype(np.int64) != 0][0]
        raise TimestampError(
            "a session bound is not on a half hour",
            field="calendar",
            value=str(bad),
            constraint="hh:00 or hh:30",
        )
    return steps.astype(np.int64)


def _equity_weights(at: Time1D, law: EquityLaw, calendar: str) -> tuple[Float1D, Bool1D, Float1D]:
    table = session_table(calendar)
    session = np.searchsorted(table.close_at, at, side="right")
    opens, closed_before = table.open_at[session], table.close_at[session - 1]
    in_session = at >= opens
    shape = np.asarray(law.session_profile) / np.sum(law.session_profile)
    position = np.where(in_session, (at - opens) // STEP, 0).astype(np.int64)
    profile = np.where(in_session, shape[np.minimum(position, STEPS_PER_SESSION - 1)], 0.0)
    night = (opens - closed_before) / STEP
    weight = np.where(in_session, (1.0 - law.overnight_share) * profile, law.overnight_share / night)
    return weight, in_session, profile


def _crypto_weights(at: Time1D, law: CryptoLaw) -> Float1D:
    day = at.astype("datetime64[D]")
    cell = ((at - day) // (STEP * STEPS_PER_CELL)).astype(np.int64)
    profile = np.asarray(law.day_profile) / np.mean(law.day_profile)
    weekday = (day.astype(np.int64) + _THURSDAY) % _WEEK
    working = (_WEEK - _WEEKEND_DAYS * law.weekend) / (_WEEK - _WEEKEND_DAYS)
    factor = np.where(weekday >= _WEEK - _WEEKEND_DAYS, law.weekend, working)
    return profile[cell] * factor / STEPS_PER_DAY
