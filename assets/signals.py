"""What the configured strategies say at one decision, from what the warehouse knows.

Nothing is simulated and nothing is written, so a look is no trial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.backtest.plan import plan_of
from assets.backtest.trials import regimes_read
from assets.market.history import read_history

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.strategies.hints import Signal
    from resources.desk import Desk


def signals_at(desk: Desk, at: datetime) -> list[Signal]:
    """Return what each strategy of the configured run says at the last decision up to an instant.

    Raises
    ------
    InsufficientDataError
        When the warehouse lacks the bars.
    ConfigError, ModelError
        When a strategy or a parameter will not do.
    """
    from pipeline.calendar.grid import cell_label
    from pipeline.strategies.context import Context
    from pipeline.strategies.hints import signal_at

    decision, plan = cell_label(at), plan_of(desk)
    read = read_history(
        plan.universe,
        decision,
        feed=desk.market.feed,
        warehouse=desk.warehouse,
        instruments=desk.loaded.settings.instruments,
    )
    known = regimes_read(desk, plan, decision)
    regimes = {} if known is None else known.at(read.panel.decisions).codes
    context = Context(read.panel, read.features(plan.specs), regimes)
    return [signal_at(context, member.strategy, member.params) for member in plan.members]
