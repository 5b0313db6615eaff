"""How people read a search: luck first, then the best member, the guards, and the members after it.

Rounded for the eye; ``--json`` has every digit.  Nothing here reads the warehouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.cli.backtest_tables import label, percent, told, with_error
from service.cli.output import emit, emit_rows, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def emit_experiment(record: Mapping[str, Any], top: Sequence[Mapping[str, Any]]) -> None:
    """Print a search as ``optimize run --json`` has it, and its best members."""
    from pipeline.optimization.reading import readings

    made_up = " (SIMULATED)" if record["simulated"] else ""
    title = f"{record['experiment']}: {record['method']} on {record['source']}{made_up}"
    rows = [
        {"skill or luck": each.name, "value": each.value, "means": each.means} for each in readings(record)
    ]
    emit_rows(title, rows)
    best = record["best"]
    held = f"sharpe {shown(record['benchmark_sharpe'])}, CAGR {_percent(record['benchmark_cagr'])}"
    numbers = {
        **{f"  {name}": value for name, value in best["params"].items()},
        "sharpe": with_error(best["sharpe"], best["sharpe_se"]),
        **{label(n): told(n, best[n]) for n in ("bps", "cagr", "max_drawdown", "win_rate", "turnover")},
        "buy-and-hold": held,
        "a member takes": _speed(record["speed"]),
    }
    emit_rows("the best member", [{"": name, "value": value} for name, value in numbers.items()])
    emit_rows("guard rails", [{"held": guard["held"], "what": guard["text"]} for guard in record["guards"]])
    emit_rows("best members", [{n: _short(n, v) for n, v in row.items()} for row in top])
    names = ("experiment_id", "digest", "data_hash", "code_version", "folder")
    emit({name: record[name] for name in names}, as_json=False)


def _speed(speed: Mapping[str, Any]) -> str:
    strategy, account, slowdown = (speed[name] for name in ("strategy_ms", "account_ms", "slowdown"))
    if slowdown is None:
        return f"{strategy:.2f} ms in the strategy"
    way = "for many sets at once" if speed["vectorised"] else "set by set"
    return (
        f"{strategy:.2f} ms in the strategy, asked {way}, and {account:.2f} ms in its account:"
        f" {slowdown:.1f} times the account alone"
    )


def emit_list(finished: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> None:
    """Print all searches, and what interrupted ones kept."""
    rows = [
        {
            "experiment_id": record["experiment_id"],
            "name": record["experiment"],
            "method": record["method"],
            "strategy": record["strategy"],
            "source": record["source"],
            "members": record["members"],
            "N": record["trials"],
            "bps": _short("bps", record["best"]["bps"]),
            "sharpe": with_error(record["best"]["sharpe"], record["best"]["sharpe_se"]),
            "deflated": _short("deflated_sharpe", record["best"]["deflated_sharpe"]),
            "pbo": _short("pbo", record["pbo"]),
            "verdict": record["verdict"],
        }
        for record in finished
    ]
    emit_rows("experiments", rows)
    if kept:
        columns = ("experiment_id", "name", "members", "last")
        emit_rows("interrupted", [{name: row[name] for name in columns} for row in kept])


def emit_compared(payload: Mapping[str, Any], same: Sequence[str]) -> None:
    """Print two searches side by side."""
    sides = [{"": name, "a": payload["a"][name], "b": payload["b"][name]} for name in payload["a"]]
    emit_rows("experiments", sides)
    emit({name.replace("_", " "): payload[name] for name in same}, as_json=False)
    emit_rows("parameters of the best", [{"parameter": n, **both} for n, both in payload["params"].items()])
    rows = [
        {"number": label(name), **{side: _short(name, value) for side, value in values.items()}}
        for name, values in payload["numbers"].items()
    ]
    emit_rows("numbers", rows)


def _short(name: str, value: Any) -> str:
    return told(name, value) if isinstance(value, float) else shown(value)


def _percent(value: float | None) -> str:
    return shown(None) if value is None else percent(value)
