"""What people read when ``bells run`` has ended, as tables; the answer itself is made in `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.cli.backtest_tables import emit_backtest
from service.cli.output import counted, emit, emit_rows, say, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_SHOWN = 20
"""Rows of one table that people are shown; JSON always has all."""


def show(answer: Mapping[str, Any]) -> None:
    """Print the answer of ``bells run``: assets, checks, gaps, quarantine, backtest, where to look next."""
    simulated = " (SIMULATED)" if answer["simulated"] else ""
    window = answer["window"]
    bars = f"bars from {shown(window['first'])} to {shown(window['last'])}" if window else "no bars stored"
    emit_rows(
        f"source {answer['source']}{simulated}, {bars}; months {answer['from']} to {answer['to']}",
        [{"asset": name, **facts} for name, facts in answer["assets"].items()],
    )
    if answer["not_made"]:
        say(f"not made: {', '.join(answer['not_made'])}")
    if answer["checks"]:
        facts = ("asset", "check", "verdict", "description")
        rows = [{name: check[name] for name in facts} for check in answer["checks"]]
        emit_rows(f"{counted(len(rows), 'check')} did not pass", rows)
    gaps = answer["gaps"]
    if gaps:
        missing = counted(sum(gap["missing"] for gap in gaps), "bar")
        facts = ("symbol", "timeframe", "first", "last", "missing")
        _some(f"{counted(len(gaps), 'gap')}, {missing} missing", gaps, facts)
    aside = answer["quarantine"]
    if aside:
        rows = counted(sum(row["rows"] for row in aside), "row")
        _some(f"quarantine: {rows} set aside", aside, ("symbol", "dataset", "rule", "rows"))
    result = answer["backtest"]
    if result is not None:
        emit_backtest(f"backtest{simulated}", result)
    emit(
        {
            "warehouse": answer["warehouse"],
            "backtest": None if result is None else result["run_id"],
            "report": None if result is None else f"{result['folder']}/report.html",
            "Dagster UI": "make ui, then http://localhost:3000",
            "Dagster run": answer["dagster_run_id"],
            "seconds": answer["seconds"],
        },
        as_json=False,
    )


def _some(title: str, rows: Sequence[Mapping[str, Any]], facts: tuple[str, ...]) -> None:
    """Print the first rows of a table that may be long, and where the others are."""
    emit_rows(title, [{name: row[name] for name in facts} for row in rows[:MOST_SHOWN]])
    if len(rows) > MOST_SHOWN:
        say(f"{len(rows) - MOST_SHOWN:,} more: bells data status")
