"""From models and a history to what the kernels read: members, ensembles, origins, what prices make.

A model enters the board by its compiled form.  One without a form, or without data, is named with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.arrays import Bool1D, Float1D, Float2D, Int1D, Time1D
from pipeline.errors import BellsError, ConfigError, DataError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.falsification import arrays_of_world as kinds
from pipeline.valuation.falsification.arrays_of_world import Setting
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.line import ln
from pipeline.valuation.member_forecasts import WEIGHT_HORIZON
from pipeline.valuation.model import PriceModel
from pipeline.valuation.multiple import MultipleModel
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.prediction import GENESIS
from pipeline.valuation.stock_to_flow import StockToFlow, projected_s2f
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import first_origin

UNIT_ROOT_LAGS = 1
_AGGREGATIONS = {"median": kinds.MEDIAN, "min": kinds.LOWEST, "max": kinds.HIGHEST}


@dataclass(frozen=True, eq=False)
class Compiled:
    """Models in the form of the kernels.

    Attributes
    ----------
    setting
        What is the same in all worlds; its horizons hold the asked ones and that of fitted weights.
    models
        Those with a form, in the order of ``setting.how``.
    y, base
        ln prices ``(n,)`` and ln bases ``(m, n)`` that happened.
    days
        Of the rows, ``datetime64[D]``, from the first price on.
    refused
        Models without a form, and why.
    """

    setting: Setting
    models: tuple[PriceModel, ...]
    y: Float1D
    base: Float2D
    days: Time1D
    refused: Mapping[str, str]

    @property
    def origins(self) -> Time1D:
        """Days at whose start forecasts are made."""
        return self.days[self.setting.first :]

    def column(self, horizon: int) -> int:
        """Return the place of a horizon in the arrays."""
        return int(np.flatnonzero(self.setting.horizons == horizon)[0])


@dataclass
class _Members:
    """Members gathered so far, each once."""

    models: list[PriceModel] = field(default_factory=list)

    def place(self, model: PriceModel) -> int:
        if model not in self.models:
            self.models.append(model)
        return self.models.index(model)


def compile_models(models: Sequence[PriceModel], history: ChainHistory, horizons: Sequence[int]) -> Compiled:
    """Bring models and a history into the form of the kernels.

    All models are scored from the first day on which each of them has a fit.

    Parameters
    ----------
    models
        Of different names, fitted or not.
    history
        All rows; those before the first price only say what the chain was like.
    horizons
        Days ahead.

    Raises
    ------
    InsufficientDataError
        When no price is known, or no model has a compiled form and a year of data.
    """
    price = ln(history.column("price_usd"))
    known = np.flatnonzero(np.isfinite(price))
    if not known.size:
        raise InsufficientDataError("there is no price to judge models by", "price_usd", 0, ">= 1 day")
    refused: dict[str, str] = {}
    gathered = _Members()
    entries: list[tuple[PriceModel, int, dict[int, float]]] = []
    first_days: list[np.datetime64] = []
    for model in models:
        try:
            how, parts = _parts(model, history)
            first_days.append(np.datetime64(first_origin(model, history), "D"))
        except BellsError as failure:  # stands on the board as the reason
            refused[model.name] = failure.what
            continue
        entries.append((model, how, {gathered.place(each): weight for each, weight in parts}))
    if not entries:
        raise InsufficientDataError(
            "no model can be judged: " + "; ".join(f"{n}: {why}" for n, why in refused.items()),
            field="history",
            value=history.n,
            constraint="one model with a year of data",
            fix="take a longer history",
        )
    rows = slice(int(known[0]), int(known[-1]) + 1)
    asked = tuple(sorted({*horizons, WEIGHT_HORIZON}))
    days = history.date[rows]
    weights = np.full((len(entries), len(gathered.models)), np.nan)
    for q, (_, _, parts) in enumerate(entries):
        for at, weight in parts.items():
            weights[q, at] = weight
    first = int((min(first_days) - days[0]) / DAY)
    scored = int((max(first_days) - days[0]) / DAY)
    setting, base = _setting(gathered.models, history, rows, first, asked)
    return Compiled(
        setting._replace(weights=weights, how=np.array([how for _, how, _ in entries]), scored=scored),
        tuple(model for model, _, _ in entries),
        np.ascontiguousarray(price[rows]),
        base,
        days,
        refused,
    )


def _parts(model: PriceModel, history: ChainHistory) -> tuple[int, list[tuple[PriceModel, float]]]:
    """Return how a model comes from members, and their weights; a member without data is left out."""
    if not isinstance(model, Ensemble):
        _require_form(model, history)
        return kinds.SINGLE, [(model, 1.0)]
    how = _AGGREGATIONS.get(model.aggregation, kinds.FIXED)
    given: Sequence[float] = [1.0] * len(model.members)
    if how == kinds.FIXED and isinstance(model.weights, str):
        how = kinds.FITTED
    elif how == kinds.FIXED:
        given = [float(each) for each in model.weights]
    parts: list[tuple[PriceModel, float]] = []
    left: list[str] = []
    for member, weight in zip(model.members, given, strict=True):
        try:
            _require_form(member, history)
        except DataError as failure:
            left.append(f"{member.name}: {failure.what}")
            continue
        parts.append((member, weight))
    if len(parts) < 2 or not sum(weight for _, weight in parts) > 0.0:  # noqa: PLR2004 - what an ensemble is
        raise InsufficientDataError("fewer than two members can be judged: " + "; ".join(left))
    return how, parts


def _require_form(model: PriceModel, history: ChainHistory) -> None:
    if not isinstance(model, (PowerLaw, StockToFlow, Thermocap, MvrvBands)):
        complete = model.complete(history)
        if not complete.any():
            raise InsufficientDataError(f"{model.name} has no data")
        raise ConfigError(f"{model.name} has no compiled form to run on random walks")
    first_origin(model, history)


def _setting(
    members: Sequence[PriceModel], history: ChainHistory, rows: slice, first: int, horizons: tuple[int, ...]
) -> tuple[Setting, Float2D]:
    """Return all that does not depend on models but on members, and the ln bases that happened."""
    days = history.date[rows]
    n, m = days.size, len(members)
    origins = days[first:]
    timely = np.asarray(history.timely(origins), np.bool_)
    x, base = np.full((m, n), np.nan), np.full((m, n), np.nan)
    ahead = np.full((m, len(horizons), origins.size), np.nan)
    kind, shares = np.full(m, kinds.LINE), np.full(m, np.nan)
    for a, member in enumerate(members):
        if isinstance(member, MultipleModel):
            kind[a] = kinds.THERMOCAP if isinstance(member, Thermocap) else kinds.REALISED
            shares[a] = member.quantiles[1]
            base[a] = ln(member.base(history))[rows]
            continue
        x[a] = _regressor(member, history)[rows]
        for j, horizon in enumerate(horizons):
            seen = _foreseen(member, history, origins, origins + (horizon - 1) * DAY)
            ahead[a, j] = np.where(timely, seen, np.nan)
    order, ends = _reading(history, rows, origins)
    price = history.column("price_usd")[rows]
    mined, before = _mined(history, rows)
    revalued, realised = _revalued(history, rows)
    setting = Setting(
        kinds=kind, x=x, ahead=ahead, shares=shares, mined=mined, before=before,
        ln_supply=_column(history, "supply_btc", rows, ln_of=True), revalued=revalued, realised=realised,
        known=np.asarray(np.isfinite(price) & (price > 0.0)), order=order, ends=ends, timely=timely,
        horizons=np.array(horizons, np.int64), first=first, scored=first, weights=np.ones((1, m)),
        how=np.zeros(1, np.int64), weigh_at=horizons.index(WEIGHT_HORIZON), lags=UNIT_ROOT_LAGS,
    )  # fmt: skip
    return setting, base


def _reading(history: ChainHistory, rows: slice, origins: Time1D) -> tuple[Int1D, Int1D]:
    """Return rows in the order in which monthly fits came to know them, and how many each of them knew."""
    months, fit_of = np.unique(origins.astype("datetime64[M]").astype("datetime64[D]"), return_inverse=True)
    days, came = history.date[rows], history.known_at[rows]
    at_hand = np.searchsorted(months, days, side="right")
    known = np.searchsorted(history.made_at(months), came, side="left")
    first_fit = np.maximum(at_hand, known)
    ends = np.searchsorted(np.sort(first_fit), np.arange(months.size), side="right")
    return np.argsort(first_fit, kind="stable").astype(np.int64), ends[fit_of].astype(np.int64)


def _regressor(member: PriceModel, history: ChainHistory) -> Float1D:
    if isinstance(member, PowerLaw):
        return _ln_days(history.date)
    return ln(history.column("s2f"))


def _foreseen(member: PriceModel, history: ChainHistory, origins: Time1D, targets: Time1D) -> Float1D:
    if isinstance(member, PowerLaw):
        return _ln_days(targets)
    seen = np.full(origins.size, np.nan)
    for places, state in history.states(origins):
        seen[places] = ln(projected_s2f(state, origins[places], targets[places]))
    return seen


def _ln_days(days: Time1D) -> Float1D:
    return ln((days - np.datetime64(GENESIS, "D")).astype(np.float64))


def _column(history: ChainHistory, name: str, rows: slice, *, ln_of: bool = False) -> Float1D:
    """Return rows of a column, unknown where the history lacks it: then no member reads it."""
    values = history.columns.get(name, np.full(history.n, np.nan))
    return np.ascontiguousarray((ln(values) if ln_of else values)[rows])


def _mined(history: ChainHistory, rows: slice) -> tuple[Float1D, float]:
    """Return what thermocap grew by each day, in coins of that day's price, and its value before (USD)."""
    total = np.concatenate([[0.0], _column(history, "thermocap_usd", slice(None))])
    total[~np.isfinite(total)] = 0.0
    total = np.maximum.accumulate(total)
    price = _column(history, "price_usd", rows)
    grown = np.diff(total)[rows]
    return np.where(np.isfinite(price), grown / price, 0.0), float(total[rows.start])


def _revalued(history: ChainHistory, rows: slice) -> tuple[Float1D, float]:
    """Return the share of coins that came to each day's price, 0 to 1, and the first realised price (USD).

    ``(R_t - R_(t-1)) / (P_t - R_(t-1))`` for realised price R; 0 where a part is unknown.
    """
    price = _column(history, "price_usd", rows)
    realised = _column(history, "realized_cap_usd", rows) / _column(history, "supply_btc", rows)
    share = np.zeros(price.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.diff(realised) / (price[1:] - realised[:-1])
    good: Bool1D = np.isfinite(moved)
    share[1:][good] = np.clip(moved[good], 0.0, 1.0)
    return share, float(realised[np.isfinite(realised)][0]) if np.isfinite(realised).any() else float("nan")
