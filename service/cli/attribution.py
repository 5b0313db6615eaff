"""``bells backtest attribution``: who owned which target of a book, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError, ComponentNotFoundError, InsufficientDataError
from service.cli.backtest_tables import percent, told_members
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, emit, emit_rows, say
from service.cli.stored_runs import NEWEST, records, run_record, with_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from resources.desk import Desk

OfBook = Annotated[
    str,
    typer.Argument(metavar="RUN_ID", help="Id, its unambiguous beginning, or latest: the newest of a book."),
]
CELL = timedelta(hours=4)


def attribution(
    run_id: OfBook = "latest",
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="The last decision by then, UTC; else of all.")
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", metavar="NAME", help="Only this one.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Show which strategies of a book own each target, what the risk rules took and what was held.

    Without an id it is the newest run of a book.  Every percentage is of the book's NAV.
    """
    desk = open_for(assignments)
    record, newer = _book_record(desk, run_id)
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
        "start": record["start"],
        "end": record["end"],
        "newer_runs": newer,
        "decided_by": decided,
        "strategies": members,
        "targets": _targets(rows),
    }
    if as_json:
        emit(payload, as_json=True)
        return
    emit_rows(
        f"run {record['run_id']}, strategies over the whole run, in percent of the book's NAV",
        told_members(members),
    )
    for target in payload["targets"]:
        emit_rows(_title(target), _lines(target))
    for line in _BASES:
        say(line)
    if newer:
        say(f"{newer} newer run{'s are' if newer > 1 else ' is'} of one strategy, which owns all of it")
    if record["simulated"]:
        say("these are results on SIMULATED data")


_BASES = (
    "budget, mean share: means over all decisions; contribution: profit of days by NAV before, compounded",
    "asked: budget times weight; after risk: what the risk rules left of it; both by NAV at the decision",
)


def _book_record(desk: Desk, run_id: str) -> tuple[dict[str, Any], int]:
    """Return the run, the newest one of a book for ``latest``, and how many runs of others are newer."""
    if run_id != NEWEST:
        return run_record(desk, run_id), 0
    from pipeline.backtest.book import PORTFOLIO

    every = records(desk)
    newer = next((n for n, row in enumerate(every) if row["strategy"] == PORTFOLIO), None)
    if newer is None:
        raise InsufficientDataError(
            "no run of a book is stored" if every else "no backtest is stored",
            field="backtest.runs",
            value=f"{len(every)} runs of one strategy",
            constraint="at least one run of several strategies",
            fix="run one with `bells backtest run --strategy portfolio`",
        )
    return with_folder(desk, every[newer]), newer


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
    return f"{target['symbol']}, as decided at {target['decided_at']:%Y-%m-%d %H:%M}, in percent of NAV then"


def _lines(target: Mapping[str, Any]) -> list[dict[str, Any]]:
    lines = [
        {"": name, "asked": percent(share["weight"]), "after risk": percent(share["share"])}
        for name, share in target["shares"].items()
    ]
    lines.append({"": "target", "asked": percent(target["wanted"]), "after risk": percent(target["target"])})
    lines += [{"": f"of it {n}", "asked": None, "after risk": percent(v)} for n, v in target["rules"].items()]
    lines += [{"": n, "asked": None, "after risk": percent(v)} for n, v in target["terms"].items()]
    return [*lines, {"": "held after the fill", "asked": None, "after risk": percent(target["held"])}]


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
