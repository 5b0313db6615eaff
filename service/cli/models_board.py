"""``bells models board``: which valuation models are better than what they would be on random walks."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.models_options import At, Feed, origin_of
from service.cli.models_tables import percents
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, emit, emit_rows

if TYPE_CHECKING:
    from assets.valuation.judge import Judged
    from resources.desk import Desk


def board(
    at: At = None,
    feed: Feed = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, max=256, help="Worlds run at once; changes no number.")
    ] = 1,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Judge every model beside random walks, store the board, and say what is left of each.

    Where this home has had runs, Dagster is told of the board as of one that its asset made, unless options
    say that it is another (``--at``, ``--feed``, ``--set``).
    """
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
    if at is None and feed is None and not assignments:
        _report(desk, judged)
    rows = [row.to_dict() for row in judged.board.rows]
    payload = {
        "ok": True,
        **origin_of(judged.read),
        "models": len(judged.board.ranking),
        "verdict_horizon": judged.board.verdict_horizon,
        "beside_last_price": judged.beside_last_price,
        "rows": rows,
        "seconds": round(desk.clock.monotonic() - began, 2),
    }
    if as_json:
        emit(payload, as_json=True)
        return 0
    emit({name: payload[name] for name in payload if name not in {"ok", "rows"}}, as_json=False)
    emit_rows("beside random walks", [percents(shown_row(row)) for row in rows])
    ranked = [row.to_dict() for row in judged.board.ranking]
    emit_rows("why", [{"model": row["model"], "reason": row["reason"]} for row in ranked])
    return 0


def _report(desk: Desk, judged: Judged) -> None:
    """Report the board to the Dagster instance of the home; one without any event stays as it is."""
    if not (desk.home.dagster / "history").is_dir():
        return
    os.environ["DAGSTER_HOME"] = str(desk.home.dagster)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="dagster")  # of parameters that may change; ours is pinned
        from dagster import AssetCheckEvaluation, AssetKey, AssetMaterialization, DagsterInstance

        from assets.valuation.board import CODE_VERSION, board_result
        from warehouse.tables import BOARD

        made = board_result(judged, desk.loaded.settings.valuation, desk.warehouse.duplicates(BOARD))
        key = AssetKey(BOARD.asset_key)
        with DagsterInstance.get() as instance:
            instance.report_runless_asset_event(
                AssetMaterialization(
                    key,
                    description="stored by bells models board",
                    metadata=made.metadata,
                    tags={"dagster/code_version": CODE_VERSION},
                )
            )
            for each in made.check_results or ():
                instance.report_runless_asset_event(
                    AssetCheckEvaluation(
                        asset_key=key,
                        check_name=str(each.check_name),
                        passed=each.passed,
                        severity=each.severity,
                        description=each.description,
                        metadata=each.metadata,
                    )
                )
