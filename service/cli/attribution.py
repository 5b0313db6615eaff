"""``bells backtest attribution``: who owned which target of a book, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError, ComponentNotFoundError, InsufficientDataError
from service.cli.backtest import RunId, run_record
from service.cli.backtest_tables import percent, told, with_error
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, emit, emit_rows, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

CELL = timedelta(hours=4)


def attribution(
    run_id: RunId = "latest",
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="The last decision by then, UTC; else of all.")
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", metavar="NAME", help="Only this one.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Show which strategies of a book own each target, what the risk rules took and what was held."""
    desk = open_for(assignments)
    record = run_record(desk, run_id)
    members = desk.warehouse.query("members", run_id=record["run_id"]).to_dicts()
    if not members:
        raise ComponentNotFoundError(
            f"the run of {record['strategy']} is no book: that strategy owns all of it",
            field="RUN_ID",
            value=record["run_id"],
            constraint="a run of several strategies",
            fix="run one with `bells backtest run --strategy portfolio`",
        )
    decided = min(instant("--at", at) or record["end"], record["end"])
    rows = desk.warehouse.query(
        "attribution", run_id=record["run_id"], symbol=symbol, until=decided - CELL
    ).to_dicts()
    if not rows:
        raise _nothing(record, symbol, decided)
    payload = {
        "run_id": record["run_id"],
        "source": record["source"],
        "simulated": record["simulated"],
        "decided_by": decided,
        "strategies": members,
        "targets": _targets(rows),
    }
    if as_json:
        emit(payload, as_json=True)
        return
    emit_rows("strategies", [_in_short(member) for member in members])
    for target in payload["targets"]:
        emit_rows(_title(target), _lines(target))
    if record["simulated"]:
        say("these are results on SIMULATED data")


def _targets(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one record for each symbol: shares, what rules and terms changed, and the sums in between."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        target = found.setdefault(
            row["symbol"],
            {"symbol": row["symbol"], "decided_at": row["ts"] + CELL, "shares": {}, "rules": {}, "terms": {}},
        )
        if row["kind"] == "strategy":
            target["shares"][row["part"]] = {"weight": row["weight"], "share": row["contribution"]}
        else:
            target[f"{row['kind']}s"][row["part"]] = row["contribution"]
    for target in found.values():
        shares = target["shares"].values()
        target["wanted"] = sum(share["weight"] for share in shares)
        target["target"] = sum(share["share"] for share in shares)
        target["held"] = target["target"] + sum(target["terms"].values())
    return list(found.values())


def _title(target: Mapping[str, Any]) -> str:
    return f"{target['symbol']}, as decided at {target['decided_at']:%Y-%m-%d %H:%M}"


def _lines(target: Mapping[str, Any]) -> list[dict[str, Any]]:
    lines = [
        {"": name, "asked": percent(share["weight"]), "after risk": percent(share["share"])}
        for name, share in target["shares"].items()
    ]
    lines.append({"": "target", "asked": percent(target["wanted"]), "after risk": percent(target["target"])})
    lines += [{"": f"of it {n}", "asked": None, "after risk": percent(v)} for n, v in target["rules"].items()]
    lines += [{"": n, "asked": None, "after risk": percent(v)} for n, v in target["terms"].items()]
    return [*lines, {"": "held after the fill", "asked": None, "after risk": percent(target["held"])}]


def _in_short(member: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "strategy": member["strategy"],
        "budget": percent(member["budget"]),
        "mean share": percent(member["mean_share"]),
        "profit": told("pnl", member["pnl"]),
        "contribution": percent(member["contribution"]),
        "sharpe": with_error(member["sharpe"], member["sharpe_se"]),
        "max drawdown": percent(member["max_drawdown"]),
        "turnover": told("turnover", member["turnover"]),
    }


def _nothing(record: Mapping[str, Any], symbol: str | None, decided: datetime) -> BellsError:
    universe = record["family"].partition("[")[2].removesuffix("]").split(",")
    if symbol is not None and symbol not in universe:
        return ComponentNotFoundError(
            "the book may not hold this symbol", "--symbol", symbol, f"one of {', '.join(universe)}"
        )
    return InsufficientDataError(
        "the book had taken no decision by then",
        field="--at",
        value=decided,
        constraint=f"from {record['start'] + CELL} on",
        fix="give a later instant",
    )
