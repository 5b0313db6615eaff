"""The falsification board as a Dagster asset: numbers that plot, pictures, verdicts."""

import dagster as dg

from assets import checks
from assets.checks import BOARD_CHECKS, specs
from assets.describe import numbers, picture, table_metadata
from assets.valuation.judge import Judged, judge, shown_row
from assets.valuation.report import nothing
from assets.valuation.shown import table
from pipeline.config.load import Loaded
from pipeline.config.valuation import ValuationSettings
from pipeline.errors import InsufficientDataError
from resources.chain.port import ChainSource
from resources.clock import Clock
from warehouse.store import Warehouse
from warehouse.tables import BOARD, METRICS_DAILY

CODE_VERSION = "1"


def board_assets() -> list[dg.AssetsDefinition]:
    """Return the asset of the board; it is made monthly, for it takes most of a minute."""

    @dg.asset(
        key=BOARD.asset_key,
        deps=[METRICS_DAILY.asset_key],
        group_name="valuation",
        kinds={"numba", "duckdb"},
        metadata=table_metadata(BOARD),
        code_version=CODE_VERSION,
        check_specs=specs(BOARD.asset_key, BOARD_CHECKS),
    )
    def board(
        context: dg.AssetExecutionContext,
        chain: dg.ResourceParam[ChainSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
    ) -> dg.MaterializeResult:
        """What is left of each model when random walks go through the same pipeline, with a verdict.

        ``bells models board`` stores the same rows; where this home has had a run it reports them here too.
        """
        try:
            judged = judge(settings, warehouse=warehouse, feed=chain.feed, now=clock.now(), context=context)
        except InsufficientDataError as failure:
            return nothing(BOARD, failure.what, BOARD_CHECKS)
        return board_result(judged, settings.settings.valuation, warehouse.duplicates(BOARD))

    return [board]


def board_result(judged: Judged, settings: ValuationSettings, repeated: int) -> dg.MaterializeResult:
    """Report a board: verdicts, pictures, numbers that plot, and whether all that has data was judged."""
    from pipeline.valuation.falsification.pictures import coverage_picture, power_picture, skill_picture

    board, simulated = judged.board, judged.read.simulated
    ranked = [row.to_dict() for row in board.ranking]
    plotted: dict[str, float | None] = {}
    for row in ranked:
        plotted[f"{row['model']} skill"] = row["skill"]
        plotted[f"{row['model']} p"] = row["p"]
        plotted[f"{row['model']} power"] = row["power"]
    silent = [row["model"] for row in ranked if row["verdict"] is None]
    unjudged = [name for name in silent if name not in judged.sourceless]
    told = [f"without a verdict: {', '.join(unjudged)}"] if unjudged else []
    told += [f"without a source of data: {', '.join(judged.sourceless)}"] if judged.sourceless else []
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(board.rows),
            "picture": picture(skill_picture(board, simulated=simulated), "skill beside random walks"),
            "coverage": picture(coverage_picture(board, simulated=simulated), "coverage"),
            "power over half-lives": picture(power_picture(board, simulated=simulated), "power"),
            "board": table([shown_row(row) for row in ranked]),
            "reasons": table([{"model": row["model"], "reason": row["reason"]} for row in ranked]),
            "beside the last price": judged.beside_last_price,
            "through": str(judged.read.history.date[-1]),
            **numbers(plotted),
            "source": judged.read.feed,
            "simulated": simulated,
            "random walks": float(settings.falsification.simulations),
        },
        check_results=[
            checks.duplicates(repeated),
            dg.AssetCheckResult(
                check_name="all_judged",
                passed=not unjudged,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(told),
                metadata={"unjudged": len(unjudged), "without_data": len(judged.sourceless)},
            ),
        ],
    )
