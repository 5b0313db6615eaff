"""What a backtest materialisation shows: headline numbers that plot from run to run, and the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets import checks
from assets.backtest.robustness import shown
from assets.describe import markdown_table, numbers, picture
from warehouse.tables import EQUITY, RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.backtest.trials import Trial
    from pipeline.config.strategies import StrategySettings

HEADLINE = (
    "sharpe",
    "sharpe_se",
    "cagr",
    "max_drawdown",
    "win_rate",
    "bps",
    "turnover",
    "cost_drag",
    "total_return",
    "volatility",
    "trades",
    "final_nav",
    "seconds",
)
IDENTITY = (
    "run_id",
    "strategy",
    "strategy_version",
    "source",
    "start",
    "end",
    "digest",
    "data_hash",
    "config_hash",
    "code_version",
)


def run_result(trial: Trial, described: Sequence[StrategySettings]) -> dg.MaterializeResult:
    """Report the run: identity, numbers, flags, equity picture, monthly returns."""
    row = trial.row
    return dg.MaterializeResult(
        asset_key=RUNS.asset_key,
        metadata={
            "equity": picture((trial.folder / "equity.png").read_bytes(), "NAV and drawdown"),
            "monthly": picture((trial.folder / "monthly.png").read_bytes(), "monthly returns"),
            "report": dg.MetadataValue.path(trial.folder / "report.html"),
            **numbers(
                {name: row[name] for name in HEADLINE} | dict(row["restatement"]) | shown(trial.robustness)
            ),
            **{name: str(row[name]) for name in IDENTITY},
            "what": "; ".join(f"{each.description} ({each.status})" for each in described),
            "simulated": bool(row["simulated"]),
            **_controls(trial),
            "flags": markdown_table([{"flag": flag.name, "what": flag.text} for flag in trial.result.flags]),
        },
        check_results=[
            checks.finite_nav(trial.result.simulation.nav),
            checks.has_trades(int(row["trades"])),
        ],
    )


def _controls(trial: Trial) -> dict[str, dg.MetadataValue]:
    """Return the table of controls; nothing where the run was asked nothing."""
    if trial.robustness is None:
        return {}
    answers = [
        {"name": name, "measure": measure, "value": value}
        for topic, name, measure, value in trial.robustness.values()
        if topic == "control"
    ]
    return {"controls": markdown_table(answers)}


def equity_result(trial: Trial) -> dg.MaterializeResult:
    """Report the equity curve."""
    return dg.MaterializeResult(
        asset_key=EQUITY.asset_key,
        metadata={
            **numbers({"dagster/row_count": trial.row["bars"], "final_nav": trial.row["final_nav"]}),
            "run_id": trial.run_id,
            "simulated": bool(trial.row["simulated"]),
            "equity": picture((trial.folder / "equity.png").read_bytes(), "NAV and drawdown"),
        },
    )
