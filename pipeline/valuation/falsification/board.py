"""The falsification board: every model, every horizon, and what is left of its skill beside random walks.

All models run on the same simulated walks; p is the worst over their drifts, by skill against the last price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.errors import InsufficientDataError
from pipeline.valuation.falsification.forecast_tests import DieboldMariano, diebold_mariano
from pipeline.valuation.falsification.history_run import HistoryRun, run_history
from pipeline.valuation.falsification.power import Power, p_values, power_of
from pipeline.valuation.falsification.row import BoardRow
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.falsification.setting import Compiled, compile_models
from pipeline.valuation.falsification.stationarity import EngleGranger, engle_granger
from pipeline.valuation.falsification.verdict import decide, place
from pipeline.valuation.falsification.walks import Scores, returns_of, score_walks
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.metrics import error_metrics, interval_coverage
from pipeline.valuation.model import PriceModel
from pipeline.valuation.past_intervals import past_bounds
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.residuals import LEVELS
from pipeline.valuation.walk_forward import WalkForward, walk_forward

AGREEMENT = 1e-8
"""Largest gap between ln forecasts of a model and of its compiled form."""
UNIT_ROOT_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Board:
    """The board.

    Attributes
    ----------
    rows
        By model in order of rank, each horizon.
    verdict_horizon
        Days ahead of the verdicts.
    null
        Skill of each judged model on random walks against the last price, ``(drifts, draws, horizons)``.
    curves
        Power by half-life at the verdict's horizon, for each judged model.
    """

    rows: tuple[BoardRow, ...]
    verdict_horizon: int
    horizons: tuple[int, ...]
    null: Mapping[str, Float2D]
    curves: Mapping[str, Mapping[float, float]]

    @property
    def ranking(self) -> tuple[BoardRow, ...]:
        """The rows of the verdict's horizon: verdict first, then p, then the error; unjudged models last."""
        return tuple(row for row in self.rows if row.horizon == self.verdict_horizon)


def falsify(
    history: ChainHistory,
    models: Sequence[PriceModel],
    *,
    rules: BoardRules = BoardRules(),  # noqa: B008 - frozen
    threads: int = 1,
) -> Board:
    """Judge models by a history.

    Parameters
    ----------
    history
        Rows as of one instant.
    models
        Of different names, fitted or not; their fits are not used.
    rules
        How.
    threads
        How many worlds run at once; no number depends on it.

    Raises
    ------
    InsufficientDataError
        When there is no price, no model that can be judged, or no target in the history.
    """
    compiled = compile_models(models, history, rules.horizons)
    walked = {
        each.name: walk_forward(each, history, horizons=_horizons(compiled)) for each in compiled.models
    }
    sample = returns_of(compiled.y)
    run = run_history(compiled)
    at = compiled.column(rules.verdict_horizon)
    if not run.scored[:, at].any():
        raise InsufficientDataError(
            "the history is too short to score forecasts",
            field="history",
            value=compiled.days.size,
            constraint=f"a year and {rules.verdict_horizon} days of prices",
            fix="take a longer history or a shorter horizon",
        )
    null = score_walks(
        compiled.setting, (sample,), compiled.y[0], draws=rules.simulations,
        drifts=rules.drifts, seed=rules.seed, mean_block=rules.mean_block_days, threads=threads,
    )  # fmt: skip
    refused, judged, curves = dict(compiled.refused), [], {}
    for q, model in enumerate(compiled.models):
        gap = "none of its forecasts can be scored"
        if run.scored[q, at]:
            gap = _gap(compiled, run.forecasts[q], walked[model.name])
        if gap is not None:
            refused[model.name] = gap
            continue
        power = power_of(compiled, run, q, rules, threads=threads)
        curves[model.name] = {days: found[at] for days, found in power.curve.items()}
        judged.append(_rows(compiled, run, null, q, power, walked[model.name], history, rules))
    judged.sort(key=lambda rows: _rank(rows, rules))
    unjudged = [
        tuple(BoardRow(model.name, horizon, reason=refused[model.name]) for horizon in rules.horizons)
        for model in models
        if model.name in refused
    ]
    columns = [compiled.column(horizon) for horizon in rules.horizons]
    return Board(
        tuple(row for rows in (*judged, *unjudged) for row in rows),
        rules.verdict_horizon,
        rules.horizons,
        {
            model.name: null.skill[:, :, q, columns, 0]
            for q, model in enumerate(compiled.models)
            if model.name in curves
        },
        curves,
    )


def _horizons(compiled: Compiled) -> tuple[int, ...]:
    return tuple(int(each) for each in compiled.setting.horizons)


def _rank(rows: Sequence[BoardRow], rules: BoardRules) -> tuple[int, float, float]:
    row = next(each for each in rows if each.horizon == rules.verdict_horizon)
    return place(row.verdict, row.p, row.rmse_log)


def _gap(compiled: Compiled, forecasts: Float2D, walked: WalkForward) -> str | None:
    """Return how far the compiled form is from the model, where that is too far."""
    own = _aligned(compiled, walked, np.log(walked.forecast))
    if np.any(np.isfinite(own) != np.isfinite(forecasts.T)):
        return "its compiled form gives forecasts on other days than the model"
    gap = float(np.nanmax(np.abs(own - forecasts.T)))
    return None if gap <= AGREEMENT else f"its compiled form differs from the model by {gap:.2g} in ln price"


def _aligned(compiled: Compiled, walked: WalkForward, values: Float2D) -> Float2D:
    """Return values of a walk-forward at the origins of the board, ``(origins, horizons)``; NaN before it."""
    out = np.full((compiled.origins.size, values.shape[1]), np.nan)
    shift = int((walked.origins[0] - compiled.origins[0]) / np.timedelta64(1, "D"))
    out[max(shift, 0) :] = values[max(-shift, 0) : max(-shift, 0) + out.shape[0] - max(shift, 0)]
    return out


def _rows(
    compiled: Compiled,
    run: HistoryRun,
    null: Scores,
    q: int,
    power: Power,
    walked: WalkForward,
    history: ChainHistory,
    rules: BoardRules,
) -> tuple[BoardRow, ...]:
    model, skill = compiled.models[q], run.scores.skill[q]
    scored = np.arange(compiled.origins.size) >= compiled.setting.scored - compiled.setting.first
    forecast = _aligned(compiled, walked, walked.forecast)
    actual = _aligned(compiled, walked, walked.actual)
    bounds = {
        level: tuple(_aligned(compiled, walked, each) for each in pair)
        for level, pair in past_bounds(model, walked, history, LEVELS).items()
    }
    like = int(np.argmin(np.abs(np.array(rules.drifts) - 1.0)))
    critical = float(np.nanquantile(null.unit_root[like, :, q], UNIT_ROOT_LEVEL))
    granger = _engle_granger(compiled, q)
    rows = []
    for horizon in rules.horizons:
        j = compiled.column(horizon)
        if not run.scored[q, j]:
            rows.append(BoardRow(model.name, horizon, reason="no target of this horizon has come yet"))
            continue
        walks = null.skill[:, :, q, j, 0]
        by_drift = [float(p_values(skill[j, 0], each)) for each in walks]
        last, drifted, off = _errors(compiled, run.forecasts[q][j], horizon)
        good = scored & np.isfinite(last) & np.isfinite(off)
        judged = np.where(good, actual[:, j], np.nan)
        errors = error_metrics(forecast[:, j], judged)
        covered = [
            interval_coverage(lower[:, j], upper[:, j], judged, level=level, horizon=horizon, seed=rules.seed)
            for level, (lower, upper) in bounds.items()
        ]
        p, both = max(by_drift), (float(skill[j, 0]), float(skill[j, 1]))
        verdict, reason = None, f"the verdict is given at {rules.verdict_horizon} days"
        if horizon == rules.verdict_horizon:
            verdict, reason = decide(p, both, power.at_fit[j], level=rules.level)
        rows.append(
            BoardRow(
                model=model.name,
                horizon=horizon,
                n=int(run.scored[q, j]),
                mape=errors.mape,
                rmse_log=errors.rmse_log,
                skill=both[0],
                skill_drift=both[1],
                p=p,
                p_by_drift={f"{drift:g}": each for drift, each in zip(rules.drifts, by_drift, strict=True)},
                power=power.at_fit[j],
                needed_skill=_needed(walks, rules.level),
                detectable_half_life=power.detectable[j],
                half_life=power.half_life,
                residual_sd=power.sd,
                coverage_68=covered[0],
                coverage_95=covered[1],
                diebold_mariano=_compared(off[good], last[good], horizon),
                diebold_mariano_drift=_compared(off[good], drifted[good], horizon),
                unit_root=float(run.scores.unit_root[q]),
                unit_root_critical=critical,
                engle_granger=granger,
                verdict=verdict,
                reason=reason,
            )
        )
    return tuple(rows)


def _errors(compiled: Compiled, forecast: Float1D, horizon: int) -> tuple[Float1D, Float1D, Float1D]:
    """Return ln errors of last price, of last price with drift and of the model, by origin."""
    y, first = compiled.y, compiled.setting.first
    origin = np.arange(first, y.size)
    target = origin + horizon - 1
    came = np.where(target < y.size, y[np.minimum(target, y.size - 1)], np.nan)
    last = came - y[origin - 1]
    drift = (y[origin - 1] - y[0]) / (origin - 1)
    return last, last - horizon * drift, came - forecast


def _needed(walks: Float2D, level: float) -> float:
    """Return the skill from which the worst p is at most the level."""
    allowed = int(level * (walks.shape[1] + 1) + 1e-9) - 1
    return float(np.max(np.sort(walks, axis=1)[:, walks.shape[1] - 1 - allowed]))


def _compared(off: Float1D, base: Float1D, horizon: int) -> DieboldMariano | None:
    try:
        return diebold_mariano(off**2, base**2, horizon)
    except InsufficientDataError:  # a diagnostic that a short history does not have
        return None


def _engle_granger(compiled: Compiled, q: int) -> EngleGranger | None:
    """Test a model of one member whose regressor is not a function of time; ln price on its ln base."""
    model = compiled.models[q]
    used = np.flatnonzero(np.isfinite(compiled.setting.weights[q]))
    if used.size > 1 or isinstance(model, PowerLaw):
        return None
    member = int(used[0])
    x = compiled.setting.x[member]
    other = x if np.isfinite(x).any() else compiled.base[member]
    good = np.isfinite(other) & np.isfinite(compiled.y)
    return engle_granger(compiled.y[good], other[good], lags=compiled.setting.lags)
