"""What errors of valuation models stand beside: the last price as a forecast, and bitcoin bought and kept.

Both follow from the stored forecasts and the history, so that rows shown again have them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from pipeline.valuation.history import ChainHistory

Key = tuple[str, int]
"""A model and days ahead."""


@dataclass(frozen=True)
class Beside:
    """Numbers by model and days ahead.

    Parameters
    ----------
    skill
        ``1 - MSE / MSE of the last price``, of ln errors; None where no forecast can be judged yet.
    buy_and_hold
        Sharpe ratio and deepest fall over the days of the traded signal, which trades one day ahead.
    """

    skill: Mapping[Key, float | None]
    buy_and_hold: Mapping[Key, tuple[float | None, float | None]]

    @property
    def better(self) -> tuple[Key, ...]:
        """Who beats the last price, and how far ahead."""
        return tuple(key for key, value in self.skill.items() if (value or 0.0) > 0.0)

    @property
    def words(self) -> str:
        """Whether anyone beats the last price, said to people."""
        judged = [key for key, value in self.skill.items() if value is not None]
        if not judged:
            return "no forecast can be judged yet"
        if not self.better:
            return f"none of the models beats the last price at {_days({h for _, h in judged})}"
        told = [
            f"{name} at {_days({h for n, h in self.better if n == name})}" for name in _names(self.better)
        ]
        others = [name for name in _names(judged) if name not in _names(self.better)]
        worse = f"; at no horizon: {', '.join(others)}" if others else ""
        return (
            f"better than the last price: {', '.join(told)}{worse}; "
            "whether that is more than luck stands on valuation/board"
        )


def beside(said: pl.DataFrame, history: ChainHistory) -> Beside:
    """Put forecasts beside the last price and buy-and-hold.

    Parameters
    ----------
    said
        Rows of ``valuation.predictions``.
    history
        The rows that they were made from and are judged by.
    """
    import numpy as np

    from pipeline.valuation.history import DAY
    from pipeline.valuation.metrics import skill
    from pipeline.valuation.signal import buy_and_hold

    skills: dict[Key, float | None] = {}
    kept: dict[Key, tuple[float | None, float | None]] = {}
    for (model, horizon), rows in sorted(said.group_by("model", "horizon_days"), key=lambda each: each[0]):
        key = (str(model), int(str(horizon)))
        origins = rows["ts"].dt.replace_time_zone(None).to_numpy().astype("datetime64[D]")
        actual = history.values_at("price_usd", origins + (key[1] - 1) * DAY)
        last = history.values_at("price_usd", origins - DAY)
        skills[key] = skill(rows["predicted_price"].to_numpy(), actual, last)
        if key[1] == 1:
            days = np.arange(origins.min(), origins.max() + DAY)
            kept[key] = buy_and_hold(history.values_at("price_usd", days))
    return Beside(skills, kept)


def _names(keys: tuple[Key, ...] | list[Key]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in keys))


def _days(horizons: set[int]) -> str:
    told = [str(each) for each in sorted(horizons)]
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]])) + (
        " day" if told == ["1"] else " days"
    )
