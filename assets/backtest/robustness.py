"""What a research run is asked beside its numbers, and the rows that the answers and their runs leave.

Every run of the kernel made for an answer stands in the ledger as a control, which never counts as a trial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.backtest.rows import family_of, series_of, trial_row
from warehouse.tables import ROBUSTNESS, TRIALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from assets.backtest.plan import Plan
    from assets.backtest.rows import Identity
    from assets.market.history import History
    from assets.regimes.rows import RegimeInputs
    from pipeline.arrays import Float2D, Int8
    from pipeline.backtest.result import BacktestResult
    from pipeline.backtest.robustness import Robustness
    from pipeline.regimes.classify import Classification
    from resources.desk import Desk
    from warehouse.store import Warehouse
    from warehouse.table import Table

SHOWN: Mapping[str, tuple[str, str, str]] = {
    "hold_cagr": ("control", "hold", "cagr"),
    "hold_sharpe": ("control", "hold", "sharpe"),
    "costs_x2_sharpe": ("control", "costs_x2", "sharpe"),
    "costs_x2_cagr": ("control", "costs_x2", "cagr"),
    "late_sharpe": ("control", "late", "sharpe"),
    "late_cagr": ("control", "late", "cagr"),
    "break_even_bps": ("control", "break_even", "extra_bps"),
    "break_even_hold_bps": ("control", "break_even_hold", "extra_bps"),
    "capacity_nav": ("control", "capacity", "nav"),
    "random_percentile": ("control", "random", "percentile_single"),
    "random_best_percentile": ("control", "random", "percentile_best"),
    "sharpe_low": ("interval", "sharpe", "low"),
    "sharpe_high": ("interval", "sharpe", "high"),
    "cagr_low": ("interval", "cagr", "low"),
    "cagr_high": ("interval", "cagr", "high"),
    "max_drawdown_high": ("interval", "max_drawdown", "high"),
}
"""The answers that the UI plots from run to run, by the names they have there."""


def ask(
    desk: Desk,
    plan: Plan,
    result: BacktestResult,
    identity: Identity,
    read: History,
    features: Mapping[str, Float2D],
    known: RegimeInputs | None,
) -> Robustness | None:
    """Ask a research run everything; a run of another kind nothing.

    Parameters
    ----------
    desk
        Settings, and the warehouse whose ledger says how much was tried.
    plan, result, identity
        The run: what was asked for, what came of it, what names it.
    read, features
        What it saw.
    known
        What its regimes were told by; None: it needed none, so they are read now, for the report only.
    """
    if identity.kind != "research":
        return None
    import numpy as np

    from assets.regimes.rows import read_regime_inputs
    from pipeline.backtest.configured import plan_of, tradables_of
    from pipeline.backtest.rerun import Account
    from pipeline.backtest.robustness import robustness_of
    from pipeline.calendar.grid import from_time64
    from pipeline.strategies.context import Context

    settings, panel = desk.loaded.settings, read.traded
    if known is None:
        end = from_time64(result.end)
        known = read_regime_inputs(end, feed=desk.market.feed, warehouse=desk.warehouse, settings=settings)
    told = known.at(panel.decisions)
    context = Context(panel=panel, features=features, regimes=told.codes)
    first, last = np.searchsorted(panel.ts, np.array([result.start, result.end])).tolist()
    killed = plan.killed(context)
    account = Account(
        panel.upto(last - 1),
        plan.weights(context)[:last],
        tradables_of(panel.symbols, settings.instruments),
        result.rules,
        initial_nav=result.simulation.initial_nav,
        start=first,
        killed=None if killed is None else killed[:last],
    )
    asked = plan_of(settings.system, trials_with(desk.warehouse, result, identity))
    return robustness_of(result, account, asked, labels_of(told, first, last))


def labels_of(told: Classification, first: int, last: int) -> dict[str, Int8]:
    """Return the codes of the rows ``[first, last)`` of each dimension that has any input.

    Where nothing is known yet, or a dimension fell back because its input is stale, the code is -1.
    """
    import numpy as np

    codes = {}
    for name, labels in told.of.items():
        unknown = np.isnat(labels.observed) | labels.stale
        if not unknown[first:last].all():
            codes[name] = np.where(unknown, np.int8(-1), labels.codes)[first:last]
    return codes


def trials_with(warehouse: Warehouse, result: BacktestResult, identity: Identity) -> int:
    """Return how many configurations of the family were tried on overlapping windows, this one included."""
    import polars as pl

    from pipeline.calendar.grid import from_time64

    names = ("config_hash", "data_hash", "code_version")
    where = {"family": family_of(result), "kind": "research"}
    tried = warehouse.as_of(TRIALS, where=where, columns=(*names, "window_start", "window_end"))
    start, end = from_time64(result.start), from_time64(result.end)
    seen = tried.filter((pl.col("window_start") < end) & (pl.col("window_end") > start)).select(names)
    own = tuple(getattr(identity, name) for name in names)
    return len(set(seen.iter_rows()) | {own})


def rows_of(
    robustness: Robustness | None, result: BacktestResult, identity: Identity
) -> list[tuple[Table, pl.DataFrame]]:
    """Return the answers as rows, and the runs behind them as controls of the ledger."""
    import polars as pl

    if robustness is None:
        return []
    answers = pl.DataFrame(
        list(robustness.values()),
        schema={"topic": pl.String, "name": pl.String, "measure": pl.String, "value": pl.Float64},
        orient="row",
    ).with_columns(run_id=pl.lit(identity.run_id), value=pl.col("value").fill_nan(None))
    controls = pl.DataFrame(
        [
            trial_row(result, identity)
            | {
                "trial_id": f"{identity.run_id}-{number:04}-{run.name}",
                "run_id": None,
                "kind": "control",
            }
            | series_of(run)
            for number, run in enumerate(robustness.runs)
        ],
        schema_overrides={
            "run_id": pl.String,
            "daily_returns": pl.List(pl.Float64),
            "cash_returns": pl.List(pl.Float64),
        },
        infer_schema_length=None,
    )
    return [(ROBUSTNESS, answers), (TRIALS, controls)]


def shown(robustness: Robustness | None) -> dict[str, float | None]:
    """Return the answers that the UI plots, `SHOWN`; nothing where nothing was asked."""
    if robustness is None:
        return {}
    answers = {(topic, name, measure): value for topic, name, measure, value in robustness.values()}
    return {label: answers[place] for label, place in SHOWN.items()}


def answers_of(warehouse: Warehouse, run_id: str) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return the stored answers of a run by topic, name and measure; empty where it was never asked."""
    stored = warehouse.as_of(
        ROBUSTNESS, where={"run_id": run_id}, columns=("topic", "name", "measure", "value")
    )
    answers: dict[str, dict[str, dict[str, float | None]]] = {}
    for topic, name, measure, value in stored.iter_rows():
        answers.setdefault(topic, {}).setdefault(name, {})[measure] = value
    return answers
