"""What a search shows in Dagster: the luck statistics as numbers that plot from run to run, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.describe import markdown_table, numbers, picture
from assets.optimization.files import shown_member
from warehouse.tables import EXPERIMENTS, FOLDS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assets.optimization.search import Optimized

BEST = ("bps", "sharpe", "sharpe_se", "cagr", "max_drawdown", "win_rate", "turnover", "deflated_sharpe")
TESTED = ("reality_check_p", "spa_p")
SEARCHED = (
    "pbo",
    "trials",
    "members",
    "effective_trials",
    "walk_forward_sharpe",
    "cpcv_sharpe",
    "benchmark_sharpe",
    "benchmark_cagr",
    "seconds",
)
IDENTITY = (
    "experiment_id",
    "experiment",
    "method",
    "strategy",
    "source",
    "start",
    "end",
    "verdict",
    "digest",
)
IDENTITY_HASHES = ("data_hash", "config_hash", "search_hash", "code_version")


def results(done: Optimized, check: dg.AssetCheckResult) -> Iterator[dg.MaterializeResult]:
    """Yield the materialisation of each table of a search."""
    row, best = done.row, done.row["best"]
    pictures = {
        name: (done.folder / f"{name}.png").read_bytes() for name in ("stability", "generations", "paths")
    }
    yield dg.MaterializeResult(
        asset_key=EXPERIMENTS.asset_key,
        metadata={
            "stability": picture(pictures["stability"], "stability map"),
            "out of sample": picture(pictures["paths"], "best member, walk-forward and buy-and-hold"),
            "report": dg.MetadataValue.path(done.folder / "report.html"),
            **numbers({name: best[name] for name in (*BEST, *TESTED)} | {n: row[n] for n in SEARCHED}),
            **{name: str(row[name]) for name in (*IDENTITY, *IDENTITY_HASHES)},
            "best": markdown_table([{"parameter": n, "value": v} for n, v in best["params"].items()]),
            "guard rails": markdown_table(
                [{"held": _said(guard["held"]), "what": guard["text"]} for guard in row["guards"]]
            ),
            "simulated": bool(row["simulated"]),
        },
        check_results=[check],
    )
    yield dg.MaterializeResult(
        asset_key=RESULTS.asset_key,
        metadata={
            "generations": picture(pictures["generations"], "scores by stage"),
            **numbers({"dagster/row_count": row["members"], "bps": best["bps"]}),
            "best members": markdown_table([shown_member(member, done.evidence) for member in done.top]),
            "experiment_id": str(row["experiment_id"]),
            "simulated": bool(row["simulated"]),
        },
    )
    yield dg.MaterializeResult(
        asset_key=FOLDS.asset_key,
        metadata={
            **numbers(
                {
                    "dagster/row_count": len(done.evidence.folds),
                    "walk_forward_sharpe": row["walk_forward_sharpe"],
                    "cpcv_sharpe": row["cpcv_sharpe"],
                }
            ),
            "experiment_id": str(row["experiment_id"]),
            "simulated": bool(row["simulated"]),
        },
    )


def better_than_luck(row: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Warn about a search whose best is what the best of so many trials shows without skill."""
    from pipeline.optimization.reading import verdict_means

    best = row["best"]
    said = ", ".join(
        f"{name} {'unknown' if value is None else f'{value:.3g}'}"
        for name, value in (
            ("deflated Sharpe", best["deflated_sharpe"]),
            ("Reality Check p", best["reality_check_p"]),
            ("PBO", row["pbo"]),
        )
    )
    return dg.AssetCheckResult(
        check_name="better_than_luck",
        asset_key=dg.AssetKey(list(EXPERIMENTS.asset_key)),
        passed=row["verdict"] == "skill",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{row['verdict']}, {row['trials']} trials: {verdict_means(row)} ({said})",
        metadata=numbers(
            {"deflated_sharpe": best["deflated_sharpe"], "spa_p": best["spa_p"], "pbo": row["pbo"]}
        ),
    )


def _said(held: bool | None) -> str:
    return {None: "unknown", True: "yes", False: "no"}[held]
