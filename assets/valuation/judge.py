"""Models judged beside random walks and the board stored, by a command and by a Dagster asset alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.manifests import manifest_for
from assets.valuation.inputs import read_history
from assets.valuation.rows import board_rows, config_of
from warehouse.tables import BOARD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import dagster as dg

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.load import Loaded
    from pipeline.valuation.falsification.board import Board
    from warehouse.append import Appended
    from warehouse.store import Warehouse


COMMAND = ("model", "n", "horizon", "mape", "rmse_log", "skill", "p", "power", "coverage_68", "coverage_95")
"""Numbers of a row, in the order in which people read them; the verdict follows."""


@dataclass(frozen=True)
class Judged:
    """A board with what it was made from.

    Parameters
    ----------
    board
        The board.
    read
        The history that it was judged by.
    done
        What the store did with it.
    sourceless
        Models that have no source of data: nothing was to be judged.
    """

    board: Board
    read: ValuationInputs
    done: Appended
    sourceless: tuple[str, ...]

    @property
    def beside_last_price(self) -> str:
        """Whether a model was better than the last price at the verdict's horizon, said to people."""
        rows = [row for row in self.board.ranking if row.skill is not None]
        better = [row.model for row in rows if row.skill is not None and row.skill > 0.0]
        days = self.board.verdict_horizon
        if not rows:
            return "no model could be judged"
        if not better:
            return f"none of the models beats the last price at {days} days"
        return f"better than the last price at {days} days: {', '.join(better)}"


def judge(
    settings: Loaded,
    *,
    warehouse: Warehouse,
    feed: str | None,
    now: datetime,
    threads: int = 1,
    context: dg.AssetExecutionContext | None = None,
) -> Judged:
    """Judge every enabled model on what the chain tells and store the board.

    Raises
    ------
    InsufficientDataError
        When there is no chain history, or too little of it.
    ConfigError
        When a model refuses its parameters.
    """
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.falsification.board import falsify
    from pipeline.valuation.falsification.rules import BoardRules

    chosen = settings.settings.valuation
    read = read_history(warehouse, feed=feed, at=now)
    told = chosen.falsification
    rules = BoardRules(
        simulations=told.simulations,
        horizons=told.horizons,
        verdict_horizon=told.verdict_horizon,
        mean_block_days=told.mean_block_days,
        drifts=told.drifts,
        level=told.level,
        seed=told.seed,
    )
    models = configured_models(chosen)
    board = falsify(read.history, models, rules=rules, threads=threads)
    manifest = manifest_for(BOARD, settings, now, context=context, inputs=read.inputs)
    done = warehouse.append(BOARD, board_rows(board, read, config_of(chosen)), manifest=manifest)
    return Judged(board, read, done, tuple(each.name for each in models if not each.has_data(read.history)))


def shown_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people and the command read of a row of the board."""
    return {name: row[name] for name in (*COMMAND, "verdict")}
