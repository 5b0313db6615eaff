"""``bells models board``: which valuation models are better than what they would be on random walks."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.models_options import At, Feed, origin_of
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, emit, emit_rows


def board(
    at: At = None,
    feed: Feed = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, max=256, help="Worlds run at once; changes no number.")
    ] = 1,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Judge every model beside random walks, store the board, and say what is left of each."""
    from assets.valuation.judge import judge, shown_row

    desk = open_for(assignments, writes=True)
    began = desk.clock.monotonic()
    judged = judge(
        desk.loaded,
        warehouse=desk.warehouse,
        feed=feed or desk.chain.feed,
        now=instant("--at", at) or desk.clock.now(),
        threads=threads,
    )
    rows = [row.to_dict() for row in judged.board.rows]
    payload = {
        "ok": True,
        **origin_of(judged.read),
        "models": len(judged.board.ranking),
        "verdict_horizon": judged.board.verdict_horizon,
        "rows": rows,
        "seconds": round(desk.clock.monotonic() - began, 2),
    }
    if as_json:
        emit(payload, as_json=True)
        return 0
    emit({name: payload[name] for name in payload if name not in {"ok", "rows"}}, as_json=False)
    emit_rows("beside random walks", [shown_row(row) for row in rows])
    ranked = [row.to_dict() for row in judged.board.ranking]
    emit_rows("why", [{"model": row["model"], "reason": row["reason"]} for row in ranked])
    return 0
