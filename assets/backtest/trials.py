"""The one door to the kernel on market data: whoever runs a backtest leaves a row in the trial ledger.

Reads what the warehouse knew, runs the strategy, and writes the run, its series, its trial and its manifest
in one transaction; then the report and pictures, which can always be made again from those rows.
"""

from __future__ import annotations

import getpass
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from assets.backtest.artifacts import write_artifacts
from assets.backtest.holdouts import refuse_held_out, refuse_seen
from assets.backtest.locks import code_of, locked
from assets.backtest.plan import plan_of, single
from assets.backtest.robustness import ask, rows_of
from assets.backtest.rows import Identity, control_trial, frames_of, run_row
from assets.manifests import manifest_for
from assets.market.history import read_history
from assets.market.restatement import with_restatement
from pipeline.errors import TamperedError
from warehouse.manifest import new_id
from warehouse.tables import FEATURES_H4

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from assets.backtest.plan import Plan
    from assets.market.history import History
    from assets.regimes.rows import RegimeInputs
    from pipeline.arrays import Float2D
    from pipeline.backtest.result import BacktestResult
    from pipeline.backtest.robustness import Robustness
    from pipeline.strategies.port import Strategy
    from resources.desk import Desk

Kind = Literal["research", "control", "verify", "replay"]


@dataclass(frozen=True)
class Trial:
    """A stored run.

    Parameters
    ----------
    row
        What commands print: identity, headline numbers, hashes.
    result
        The run itself.
    folder
        Its artefacts: report, pictures, metrics, manifest, log.
    robustness
        What it answered beside its numbers; None for a run that does not count as a trial.
    """

    row: Mapping[str, Any]
    result: BacktestResult
    folder: Path
    robustness: Robustness | None

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.row["run_id"]


def run_trial(desk: Desk, *, kind: Kind = "research", dagster_run_id: str | None = None) -> Trial:
    """Run the configured strategy or book on the configured feed and store everything about it.

    Parameters
    ----------
    desk
        Settings, warehouse, market source and clock.
    kind
        Why it is run; only ``research`` counts as a trial.
    dagster_run_id
        The Dagster run, when there is one.

    Raises
    ------
    InsufficientDataError
        When the warehouse lacks the bars.
    TamperedError
        When stored features differ from those that the bars give, or code of a strategy changed meanwhile.
    ConfigError, ModelError
        When strategy, parameters or rules cannot be run.
    RefusedError
        When the window reaches into a closed hold-out window of a strategy, be it declared while it ran.
    """
    desk.home.prepare()
    started = desk.clock.now()
    since = desk.clock.monotonic()
    settings = desk.loaded.settings
    window = window_of(desk)
    plan = plan_of(desk)
    names = [member.strategy.name for member in plan.members]
    refuse_held_out(desk, names, window)
    locks = locked(member.strategy for member in plan.members)
    read = read_history(
        plan.universe,
        window[1],
        feed=desk.market.feed,
        warehouse=desk.warehouse,
        instruments=settings.instruments,
        cash=settings.system.costs.cash,
    )
    features = read.features(plan.specs)
    refuse_other_features(desk, read, features, window[1])
    known = regimes_read(desk, plan, window[1])
    regimes = {} if known is None else known.at(read.panel.decisions).codes
    result, restatement, control = with_restatement(
        plan.run(read, features, regimes, window),
        read,
        lambda latest: plan.run(latest, latest.features(plan.specs), regimes, window),
    )
    result = with_regimes(result, known)
    identity = Identity(
        run_id=new_id(started),
        kind=kind,
        config_hash=desk.loaded.config_hash,
        data_hash=data_hash(read, known),
        code_version=code_of(locks),
        config=desk.loaded.as_dict(),
        who=getpass.getuser(),
        started_at=started,
        seconds=desk.clock.monotonic() - since,
    )
    manifest = manifest_for(
        "backtest/runs",
        desk.loaded,
        started,
        inputs=(*read.inputs, *(() if known is None else known.inputs)),
        seconds=identity.seconds,
        dagster_run_id=dagster_run_id,
        code=identity.code_version,
    )
    robustness = ask(desk, plan, result, identity, read, features, known)
    frames = [*frames_of(result, identity), *rows_of(robustness, result, identity)]
    if control is not None:
        frames.append(control_trial(control, identity))
    desk.warehouse.write_many(
        frames, manifest=manifest, require=lambda cursor: refuse_seen(cursor, desk, names, window)
    )
    row = shown_row(run_row(result, identity)) | {"restatement": restatement}
    log_run(desk, result, row)
    folder = write_artifacts(desk, result, row, manifest, robustness)
    return Trial(row=row, result=result, folder=folder, robustness=robustness)


def with_regimes(result: BacktestResult, known: RegimeInputs | None) -> BacktestResult:
    """Return the run, flagged where its regimes were told by figures that were revised later."""
    from pipeline.backtest.result import Flag

    if known is None or not known.latest_revision:
        return result
    revised = ", ".join(known.latest_revision)
    text = f"Regimes are told by {revised} in the latest revision, which nobody knew then"
    return replace(result, flags=(*result.flags, Flag("regimes_latest_revision", revised, text)))


def log_run(desk: Desk, result: BacktestResult, row: Mapping[str, Any]) -> None:
    """Write every fill to the stream ``trades`` and the headline numbers to ``performance``."""
    from resources.logs import bind_trace

    simulation = result.simulation
    trades, performance = (desk.logs.stream(name, "backtest") for name in ("trades", "performance"))
    with bind_trace(row["run_id"]):
        for fill, filled_at in zip(simulation.fills, simulation.filled_at.astype(str), strict=True):
            trades.info(
                "fill",
                symbol=simulation.symbols[fill.asset],
                filled_at=str(filled_at),
                quantity=float(fill.quantity),
                price=float(fill.price),
                fee=float(fill.fee),
                slippage=float(fill.slippage),
                simulated=row["simulated"],
            )
        performance.info("run", **{name: value for name, value in row.items() if name != "run_id"})


def configured_strategy(desk: Desk) -> Strategy:
    """Return the only strategy of the run, in the version and with the universe that the settings name.

    Raises
    ------
    ComponentNotFoundError
        When the code has no such strategy.
    ConfigError
        When the code has another version, or the settings name a book.
    """
    return single(plan_of(desk)).strategy


def window_of(desk: Desk) -> tuple[datetime, datetime]:
    """Return the window of the run: as configured, else as the market source suggests, never beyond now."""
    run, suggested = desk.loaded.settings.system.backtest, desk.market.backtest
    now = desk.clock.now()
    end = run.end or suggested.until(now)
    return run.start or suggested.start, min(end, now)


def regimes_read(desk: Desk, plan: Plan, end: datetime) -> RegimeInputs | None:
    """Return what the regimes of a run are told by; None for a run that needs none."""
    from assets.regimes.rows import read_regime_inputs

    if not plan.needs_regimes:
        return None
    return read_regime_inputs(
        end, feed=desk.market.feed, warehouse=desk.warehouse, settings=desk.loaded.settings
    )


def data_hash(read: History, known: RegimeInputs | None = None) -> str:
    """Return one hash over the digests of everything that was read: bars, and what tells the regimes."""
    inputs = (*read.inputs, *(() if known is None else known.inputs))
    text = "\n".join(f"{item.table} {item.rows} {item.digest}" for item in inputs)
    return hashlib.sha256(text.encode()).hexdigest()


def shown_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``backtest.runs`` under the names that commands print."""
    hidden = {"config_json", "flags_json"}
    renamed = {"window_start": "start", "window_end": "end"}
    return {renamed.get(name, name): value for name, value in row.items() if name not in hidden}


def refuse_other_features(desk: Desk, read: History, features: Mapping[str, Float2D], end: datetime) -> None:
    """Compare every standard feature that the run uses with the stored one, bit for bit.

    Features that are not stored (other periods, bars newer than the last materialisation) are not compared.

    Raises
    ------
    TamperedError
        At the first cell that differs: what people look at would not be what was traded.
    """
    import polars as pl

    from pipeline.features.compute import features_table

    names = [name for name in features if name in FEATURES_H4.names]
    if not names:
        return
    ours = features_table(read.panel, {n: features[n] for n in names})
    where = {"feed": desk.market.feed, "symbol": list(read.panel.symbols)}
    stored = desk.warehouse.as_of(FEATURES_H4, where=where, columns=("symbol", "ts", *names), end=end)
    both = stored.join(ours.select("symbol", "ts", *names), on=["symbol", "ts"], suffix="_now")
    for name in names:
        differs = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_now")))
        if differs.height:
            first = differs.sort("symbol", "ts").row(0, named=True)
            raise TamperedError(
                "a stored feature is not what the bars give",
                field=f"features.h4.{name}",
                value=f"{first['symbol']} {first['ts']}: stored {first[name]}, now {first[f'{name}_now']}",
                constraint="bit-identical",
                fix="run `bells run`: it computes features.h4 again; if bars were corrected, that is why",
            )
