"""A finished search as rows of the warehouse, and as the record that commands print."""

from __future__ import annotations

import dataclasses
import json
import math
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from assets.backtest.population import window_in_cells
from warehouse.tables_optimization import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from assets.backtest.context import MarketContext
    from assets.backtest.population import Member, Search
    from assets.optimization.evidence import Evidence
    from pipeline.backtest.result import Simulation
    from pipeline.backtest.robustness import Robustness
    from pipeline.config.experiment import Experiment

HEADLINE = ("sharpe", "cagr", "max_drawdown", "total_return", "volatility", "turnover", "cost_drag")
"""Numbers of buy-and-hold and of the walk-forward account that are kept."""
LUCK = ("deflated_sharpe", "reality_check_p", "spa_p")
"""Statistics that belong to the best member."""


def experiment_frame(
    market: MarketContext,
    search: Search,
    experiment: Experiment,
    found: Evidence,
    members: Sequence[Member],
    seconds: float,
) -> pl.DataFrame:
    """Return the row of ``optimization.experiments``; what is unknown is None."""
    import numpy as np
    import polars as pl

    best, luck = found.best, found.luck
    first, last = window_in_cells(market)
    sharpes = None if found.paths is None else found.paths.sharpe[np.isfinite(found.paths.sharpe)]
    row = {
        "experiment_id": search.experiment_id,
        "name": search.name,
        "method": experiment.method,
        "strategy": market.strategy.name,
        "strategy_version": market.strategy.version,
        "family": market.family,
        "source": market.read.provenance.source,
        "simulated": market.read.provenance.simulated,
        "started_at": search.started_at,
        "window_start": first,
        "window_end": last,
        "members": len(members),
        "trials": luck.deflated.n_trials,
        "metric": experiment.optimization.metric,
        "best_json": json.dumps(dict(best.params), sort_keys=True),
        "best_config_hash": best.config_hash,
        **best.metrics,
        "deflated_sharpe": luck.deflated.value,
        "reality_check_p": luck.check.p_white,
        "spa_p": luck.check.p_spa,
        "pbo": luck.overfitting.pbo,
        "effective_trials": luck.effective,
        "walk_forward_sharpe": None if found.path is None else found.path.metrics.sharpe,
        "cpcv_sharpe": float(np.median(sharpes)) if sharpes is not None and sharpes.size else None,
        "benchmark_sharpe": found.benchmark.metrics.sharpe,
        "benchmark_cagr": found.benchmark.metrics.cagr,
        "verdict": str(luck.verdict),
        "evidence_json": _json(evidence_record(found)),
        "guards_json": _json([dataclasses.asdict(guard) for guard in found.guards]),
        "digest": digest_of(members, found),
        "search_hash": search.search_hash,
        "data_hash": market.data_hash,
        "config_hash": market.desk.loaded.config_hash,
        "code_version": market.code,
        "experiment_json": experiment.model_dump_json(),
        "seconds": seconds,
    }
    floats = {name: pl.Float64 for name, value in row.items() if isinstance(value, float)}
    floats |= {column.name: pl.Float64 for column in METRICS}
    return pl.DataFrame([row], schema_overrides=floats, infer_schema_length=None)


def folds_frame(search: Search, found: Evidence, members: Sequence[Member]) -> pl.DataFrame:
    """Return the rows of ``optimization.folds``; none where the window is too short for any."""
    import polars as pl

    at = pl.Series(found.days).dt.replace_time_zone("UTC").to_list()
    rows = [
        {
            "experiment_id": search.experiment_id,
            "kind": fold.kind,
            "fold": fold.fold,
            "train_start": at[fold.train[0]],
            "train_end": at[fold.train[1]],
            "test_start": at[fold.test[0]],
            "test_end": at[fold.test[1]],
            "member": None if fold.member is None else members[fold.member].number,
            "params_json": None
            if fold.member is None
            else json.dumps(dict(members[fold.member].params), sort_keys=True),
            "in_sample": _known(fold.in_sample),
            "out_of_sample": _known(fold.out_of_sample),
        }
        for fold in found.folds
    ]
    typed: dict[str, Any] = {name: pl.Datetime("us", "UTC") for name in ("train_start", "train_end")}
    typed |= {name: pl.Datetime("us", "UTC") for name in ("test_start", "test_end")}
    typed |= {"experiment_id": pl.String, "kind": pl.String, "fold": pl.Int64, "member": pl.Int64}
    typed |= {"params_json": pl.String, "in_sample": pl.Float64, "out_of_sample": pl.Float64}
    if not rows:
        return pl.DataFrame(schema=typed)
    return pl.DataFrame(rows, schema_overrides=typed, infer_schema_length=None)


def evidence_record(found: Evidence) -> dict[str, Any]:
    """Return every statistic of a search as plain values; what is unknown is None."""
    luck = found.luck
    check, overfit, stable = luck.check, luck.overfitting, luck.stability
    shares = found.paths.sharpe.tolist() if found.paths is not None else []
    return {
        "verdict": str(luck.verdict),
        "deflated_sharpe": _record(luck.deflated) | {"verdict": str(luck.deflated.verdict)},
        "deflated_sharpe_raw": _record(luck.raw),
        "reality_check": _record(check) | {"verdict": str(check.verdict)},
        "pbo": {
            "value": overfit.pbo,
            "degradation": overfit.degradation,
            "loss": overfit.loss,
            "splits": overfit.n,
            "trials": overfit.n_trials,
            "reason": overfit.reason,
        },
        "effective_trials": luck.effective,
        "tied": None if luck.standing.best is None else int(luck.standing.tied.sum()),
        "intervals": _record(luck.intervals),
        "stability": {
            "axes": list(stable.axes),
            "plateau_share": stable.plateau_share,
            "tolerance": stable.tolerance,
            "neighbours_of_best": None if stable.best is None else int(stable.neighbours[stable.best]),
            "mean_of_neighbours": None if stable.best is None else _known(float(stable.mean[stable.best])),
            "robust": None if stable.robust is None else stable.robust,
        },
        "walk_forward": None if found.path is None else _headline(found.path),
        "cross_validation": {"paths": [_known(value) for value in shares]},
        "buy_and_hold": _headline(found.benchmark),
        "robustness": answers(found.robustness),
        "coverage": dict(found.coverage),
        "refused": found.refused,
    }


def answers(robustness: Robustness) -> dict[str, Any]:
    """Return what the best run was asked, by topic, name and measure."""
    told: dict[str, dict[str, dict[str, float | None]]] = {}
    for topic, name, measure, value in robustness.values():
        known = None if value is None or not math.isfinite(value) else float(value)
        told.setdefault(topic, {}).setdefault(name, {})[measure] = known
    return told


def digest_of(members: Sequence[Member], found: Evidence) -> str:
    """Return one digest over all members in order, the choice, and the out-of-sample account."""
    hasher = sha256()
    for member in members:
        hasher.update(f"{member.number} {member.config_hash} {member.digest}\n".encode())
    path = None if found.path is None else found.path.digest
    hasher.update(f"best {found.best.number} path {path} held {found.benchmark.digest}\n".encode())
    if found.paths is not None:
        hasher.update(found.paths.sharpe.tobytes())
    return hasher.hexdigest()


def shown_experiment(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``optimization.experiments`` under the names that commands print."""
    metrics = tuple(column.name for column in METRICS)
    best = {
        "params": json.loads(row["best_json"]),
        **{name: row[name] for name in ("bps", "sharpe", *LUCK)},
        **{name: row[name] for name in metrics},
        "config_hash": row["best_config_hash"],
    }
    hidden = {"name", "best_json", "best_config_hash", "window_start", "window_end", *LUCK, *metrics}
    hidden |= {"known_at", "recorded_at", "write_id"}
    texts = {"evidence_json": "evidence", "guards_json": "guards", "experiment_json": "settings"}
    kept = {
        texts.get(name, name): json.loads(value) if name in texts and value else value
        for name, value in row.items()
        if name not in hidden
    }
    return {
        "experiment": row["name"],
        "trials": row["trials"],
        "best": best,
        "pbo": row["pbo"],
        "digest": row["digest"],
        "seconds": row["seconds"],
        "start": row["window_start"],
        "end": row["window_end"],
        **kept,
    }


def _headline(run: Simulation) -> dict[str, float | None]:
    metrics = dataclasses.asdict(run.metrics)
    return {name: metrics[name] for name in HEADLINE}


def _record(value: Any) -> dict[str, Any]:
    return _plain(dataclasses.asdict(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return _known(value) if isinstance(value, float) else value


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)
