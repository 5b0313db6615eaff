"""A backtest as rows of the warehouse: the run, its equity, months, fills, round trips and its trial."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.backtest.book_rows import book_frames
from warehouse.tables import EQUITY, FILLS, MONTHLY, ROUND_TRIPS, RUNS, TRIALS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    import polars as pl

    from pipeline.backtest.rerun import Ran
    from pipeline.backtest.result import BacktestResult
    from warehouse.table import Table


@dataclass(frozen=True)
class Identity:
    """What names a run beside its result.

    Parameters
    ----------
    run_id
        Of this run.
    kind
        ``research``, ``control``, ``verify`` or ``replay``; only research counts as a trial.
    config_hash, data_hash, code_version
        Of the settings, of the rows that were read and of the code.
    config
        The settings themselves.
    who
        Who ran it.
    started_at, seconds
        When, and how long it took until the result.
    """

    run_id: str
    kind: str
    config_hash: str
    data_hash: str
    code_version: str
    config: Mapping[str, Any]
    who: str
    started_at: datetime
    seconds: float


def family_of(result: BacktestResult) -> str:
    """Return the family of a run: strategies and universe; overlap of windows is judged when counting."""
    names = [result.strategy] if result.book is None else [m.strategy for m in result.book.members]
    return f"{'+'.join(sorted(names))}[{','.join(sorted(result.universe))}]"


def run_row(result: BacktestResult, identity: Identity) -> dict[str, Any]:
    """Return the row of ``backtest.runs``; what is unknown is None."""
    metrics = dataclasses.asdict(result.metrics)
    declared = {name: metrics[name] for name in RUNS.names if name in metrics}
    return {
        "run_id": identity.run_id,
        "strategy": result.strategy,
        "strategy_version": result.version,
        "kind": identity.kind,
        "family": family_of(result),
        "source": result.provenance.source,
        "simulated": result.provenance.simulated,
        "started_at": identity.started_at,
        "window_start": _instant(result.start),
        "window_end": _instant(result.end),
        "bars": int(result.simulation.ts.size),
        **declared,
        "initial_nav": result.simulation.initial_nav,
        "final_nav": result.simulation.final_nav,
        "digest": result.digest,
        "data_hash": identity.data_hash,
        "config_hash": identity.config_hash,
        "code_version": identity.code_version,
        "config_json": json.dumps(identity.config, sort_keys=True, default=str),
        "flags_json": json.dumps({flag.name: flag.value for flag in result.flags}),
        "seconds": identity.seconds,
    }


def frames_of(result: BacktestResult, identity: Identity) -> list[tuple[Table, pl.DataFrame]]:
    """Return every table that a run writes, in one order."""
    import polars as pl

    run = pl.DataFrame([run_row(result, identity)], infer_schema_length=None)
    tables = [
        (RUNS, run),
        (TRIALS, _trial(result, identity)),
        (EQUITY, _equity(result)),
        (MONTHLY, _monthly(result)),
        (FILLS, _fills(result)),
        (ROUND_TRIPS, _trips(result)),
        *book_frames(result),
    ]
    named = pl.lit(identity.run_id).alias("run_id")
    return [(table, frame.with_columns(named)) for table, frame in tables]


def control_trial(result: BacktestResult, identity: Identity) -> tuple[Table, pl.DataFrame]:
    """Return the ledger's row of a run's second simulation, on the latest data; no result is kept of it."""
    import polars as pl

    second = dataclasses.replace(identity, run_id=f"{identity.run_id}-latest", kind="control")
    return TRIALS, _trial(result, second).with_columns(run_id=pl.lit(None, pl.String))


def trial_row(result: BacktestResult, identity: Identity) -> dict[str, Any]:
    """Return the row of ``ledger.trials``, without the run it belongs to."""
    return {
        "trial_id": identity.run_id,
        "strategy": result.strategy,
        "family": family_of(result),
        "kind": identity.kind,
        "config_hash": identity.config_hash,
        "data_hash": identity.data_hash,
        "code_version": identity.code_version,
        "window_start": _instant(result.start),
        "window_end": _instant(result.end),
        "universe": ",".join(sorted(result.universe)),
        "daily_returns": result.simulation.daily_returns.tolist(),
        "cash_returns": result.simulation.cash_returns.tolist(),
        "digest": result.digest,
        "who": identity.who,
        "ran_at": identity.started_at,
    }


def series_of(ran: Ran) -> dict[str, Any]:
    """Return what the ledger keeps of a control: digest, daily returns, and what cash earned on the days."""
    series = {"daily_returns": ran.daily_returns, "cash_returns": ran.cash_returns}
    return {"digest": ran.digest, **{n: None if v is None else v.tolist() for n, v in series.items()}}


def _trial(result: BacktestResult, identity: Identity) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame([trial_row(result, identity)])


def _equity(result: BacktestResult) -> pl.DataFrame:
    import polars as pl

    done = result.simulation
    return pl.DataFrame(
        {
            "ts": _utc(done.ts),
            "nav": done.nav,
            "drawdown": done.drawdown,
            "cash": done.cash,
            "gross": done.gross,
        }
    )


def _monthly(result: BacktestResult) -> pl.DataFrame:
    import polars as pl

    months, returns = result.simulation.monthly_returns
    return pl.DataFrame({"month": pl.Series(months.astype("datetime64[D]")), "return_": returns})


def _fills(result: BacktestResult) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    done = result.simulation
    fills = done.fills
    quantity = np.abs(fills.quantity)
    return pl.DataFrame(
        {
            "seq": np.arange(fills.size, dtype=np.int64),
            "ts": _utc(done.ts[fills.row]),
            "filled_at": _utc(done.filled_at),
            "symbol": _symbols(done.symbols, fills.asset),
            "side": pl.Series(np.where(fills.quantity > 0.0, "buy", "sell").tolist(), dtype=pl.String),
            "quantity": quantity,
            "price": fills.price.copy(),
            "price_before_slippage": fills.price_open.copy(),
            "notional": quantity * fills.price,
            "fee": fills.fee.copy(),
            "slippage": fills.slippage.copy(),
        }
    )


def _trips(result: BacktestResult) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    done = result.simulation
    trips = done.trips
    is_open = trips.exit_row < 0
    held = np.where(is_open, -1, trips.exit_row - trips.entry_row)
    return pl.DataFrame(
        {
            "symbol": _symbols(done.symbols, trips.asset),
            "entered_at": _utc(done.entered_at),
            "exited_at": _utc(done.exited_at),
            "bars": pl.Series(held).replace(-1, None),
            "quantity": trips.quantity.copy(),
            "cost": trips.cost.copy(),
            "pnl": trips.pnl.copy(),
            "return_": trips.return_.copy(),
        }
    )


def _symbols(symbols: tuple[str, ...], columns: np.ndarray) -> pl.Series:
    import polars as pl

    return pl.Series([symbols[column] for column in columns.tolist()], dtype=pl.String)


def _utc(times: np.ndarray) -> pl.Series:
    import polars as pl

    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")


def _instant(at: np.datetime64) -> datetime:
    from pipeline.calendar.grid import from_time64

    return from_time64(at)
