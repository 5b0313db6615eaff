"""Several models on the same days, ranked by their mean absolute relative error, beside the last price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from pipeline.errors import BellsError, InsufficientDataError
from pipeline.valuation.backtest import Backtest, backtest
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.metrics import ErrorMetrics, error_metrics, skill
from pipeline.valuation.model import PriceModel


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models side by side.

    Parameters
    ----------
    ranking
        Names by ``mape`` on the common days, the best first.
    common
        Error metrics on the days on which every ranked model has a forecast, and the last price is known.
    skills
        ``skill_last_price`` of each ranked model on those days.
    last_price
        Error metrics of the last known price, taken as a forecast, on those days.
    backtests
        The whole record of each ranked model.
    absent
        Models that could not be compared, with the reason.
    """

    ranking: tuple[str, ...]
    common: Mapping[str, ErrorMetrics]
    skills: Mapping[str, float | None]
    last_price: ErrorMetrics
    backtests: Mapping[str, Backtest]
    absent: Mapping[str, str]

    @property
    def best(self) -> str:
        """The model with the smallest error."""
        return self.ranking[0]

    @property
    def better(self) -> tuple[str, ...]:
        """The models that beat the last price, in order of rank."""
        return tuple(name for name in self.ranking if (self.skills[name] or 0.0) > 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of the REST contract, without single predictions."""
        one = self.backtests[self.best]
        return {
            "models": [*self.ranking, *self.absent],
            "ranking": list(self.ranking),
            "best_model": self.best,
            "horizon_days": one.horizon,
            "start_date": one.start.isoformat(),
            "end_date": one.end.isoformat(),
            "better_than_last_price": list(self.better),
            "last_price": {**vars(self.last_price), "skill_last_price": 0.0},
            "results": [
                {
                    **self.backtests[name].to_dict(predictions=False),
                    "rank": rank,
                    "common": {**vars(self.common[name]), "skill_last_price": self.skills[name]},
                }
                for rank, name in enumerate(self.ranking, 1)
            ],
            "absent": dict(self.absent),
        }


def compare(
    models: Sequence[PriceModel],
    history: ChainHistory,
    *,
    start: date | None = None,
    end: date | None = None,
    train_pct: float = 0.7,
    horizon: int = 1,
    refit: str = "monthly",
    seed: int = 0,
) -> Comparison:
    """Backtest each model and rank them on the days that all of them have.

    Parameters
    ----------
    models
        Of different names.
    history, start, end, train_pct, horizon, refit, seed
        As `backtest`.

    Raises
    ------
    ConfigError
        As `backtest`.
    InsufficientDataError
        When no model could be backtested, or they have no day in common.
    """
    done: dict[str, Backtest] = {}
    absent: dict[str, str] = {}
    for model in models:
        try:
            done[model.name] = backtest(
                model,
                history,
                start=start,
                end=end,
                train_pct=train_pct,
                horizon=horizon,
                refit=refit,
                levels=model.levels,
                seed=seed,
            )
        except BellsError as failure:  # told beside the ranking
            if failure.exit_code == 1:  # a wrong option, not a model without data
                raise
            absent[model.name] = failure.what
    shared = [
        np.isfinite(each.forecast) & np.isfinite(each.actual) & np.isfinite(each.last)
        for each in done.values()
    ]
    if not shared or not np.logical_and.reduce(shared).any():
        raise InsufficientDataError(
            "the models have no scored day in common" if done else "no model could be backtested",
            field="models",
            value=absent or list(done),
            constraint="at least one day with a forecast of each",
            fix="leave out the model that lacks data, or take another window",
        )
    days = np.logical_and.reduce(shared)
    common = {name: error_metrics(each.forecast[days], each.actual[days]) for name, each in done.items()}
    ranking = sorted(common, key=lambda name: (common[name].mape or 0.0, name))
    one = done[ranking[0]]
    skills = {
        name: skill(each.forecast[days], each.actual[days], each.last[days]) for name, each in done.items()
    }
    base = error_metrics(one.last[days], one.actual[days])
    return Comparison(tuple(ranking), common, skills, base, done, absent)
