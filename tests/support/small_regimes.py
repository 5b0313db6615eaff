"""Small inputs of the regimes with everything that makes causality hard, and how the reference reads them."""

from collections.abc import Mapping

import numpy as np

from pipeline.regimes.observations import Observations
from tests.support.reference_regimes import Input

DAY = np.timedelta64(1, "D").astype("timedelta64[us]")
HOUR = np.timedelta64(3_600_000_000, "us")
FIRST = np.datetime64("2010-01-04", "us")


def decisions(days: int) -> np.ndarray:
    """All H4 decisions of so many days."""
    return FIRST + np.arange(6 * days) * 4 * HOUR


def series(
    rng: np.random.Generator, values: np.ndarray, *, step: int = 1, late: float = 0.1, again: float = 0.05
) -> Observations:
    """One value every ``step`` days, known an hour after its day.

    Some are missing (four in a row too), some come up to ten days late, some are corrected later.
    """
    n = values.size
    ts = FIRST + np.arange(n) * step * DAY
    due = ts + DAY + HOUR
    known_at = due + np.where(rng.random(n) < late, rng.integers(1, 240, n), 0) * HOUR
    kept = rng.random(n) > 0.02
    kept[n // 2 : n // 2 + 4] = False
    rows = [(ts[i], known_at[i], values[i]) for i in np.flatnonzero(kept)]
    rows += [
        (ts[i], known_at[i] + rng.integers(1, 400) * HOUR, values[i] * rng.uniform(0.9, 1.1))
        for i in np.flatnonzero(kept & (rng.random(n) < again))
    ]
    rows.sort()
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Observations(
        *(columns[0].astype("datetime64[us]"), columns[1].astype("datetime64[us]")), columns[2], ts, due
    )


def small_inputs(seed: int, days: int = 700, **share: float) -> dict[str, Observations]:
    """Prices that trend, an index around both thresholds, releases and slopes around theirs."""
    rng = np.random.default_rng(seed)

    def walk(drift: float, sd: float) -> np.ndarray:
        turns = np.repeat(rng.choice([1.0, -1.0], days // 70 + 1), 70)[:days]
        return 100.0 * np.exp(np.cumsum(drift * turns + sd * rng.standard_normal(days)))

    months = days // 30
    return {
        "SPY": series(rng, walk(0.002, 0.01), **share),
        "VIX": series(rng, 20.0 * np.exp(np.cumsum(rng.normal(0, 0.05, days)) % 1.2 - 0.6), **share),
        "BTC/USD": series(rng, walk(0.006, 0.03), **share),
        "T10Y2Y": series(rng, rng.normal(0.0, 0.006, days), **share),
        "SIM_PMI": series(rng, rng.normal(49.0, 4.0, months), step=30, **share),
    }


def as_reference(observations: Mapping[str, Observations]) -> dict[str, Input]:
    """Hand the same facts to the slow reference in the order of becoming known, instants as numbers."""
    return {
        name: Input(
            sorted(
                zip(numbers(one.ts), numbers(one.known_at), one.values.tolist(), strict=True),
                key=lambda row: (row[1], row[0]),
            ),
            list(zip(numbers(one.expected_ts), numbers(one.expected_known_at), strict=True)),
        )
        for name, one in observations.items()
    }


def numbers(times: np.ndarray) -> list[int]:
    """Microseconds since 1970: plain Python compares them a hundred times faster."""
    return times.astype("datetime64[us]").astype(np.int64).tolist()
