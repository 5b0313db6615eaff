"""What the commands of ``bells models`` share: their options, the model asked for, and the days it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError
from service.cli.opening import instant, open_for, window_of

if TYPE_CHECKING:
    from datetime import date

    from assets.valuation.inputs import ValuationInputs
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.model import PriceModel
    from resources.desk import Desk

Feed = Annotated[
    str | None,
    typer.Option("--feed", metavar="NAME", help="Chain source; by default the configured one."),
]
At = Annotated[str | None, typer.Option("--at", metavar="DATE", help="As known then; by default now.")]
Start = Annotated[str | None, typer.Option("--start", metavar="DATE", help="First day of the window.")]
End = Annotated[str | None, typer.Option("--end", metavar="DATE", help="First day no more in the window.")]
Train = Annotated[
    float | None, typer.Option("--train-pct", metavar="SHARE", help="Share of the window that is not scored.")
]
Horizon = Annotated[int | None, typer.Option("--horizon", metavar="DAYS", help="Days ahead, 1 to 3653.")]


def model_named(name: str, assignments: list[str] | None) -> tuple[Desk, PriceModel]:
    """Open the desk and make one model of its settings, unfitted."""
    from pipeline.valuation.configured import configured_model

    desk = open_for(assignments)
    return desk, configured_model(name, desk.loaded.settings.valuation)


def history_for(desk: Desk, feed: str | None, at: str | None) -> ValuationInputs:
    """Read the days of the chain, as known at an instant."""
    from assets.valuation.inputs import read_history

    return read_history(
        desk.warehouse, feed=feed or desk.chain.feed, at=instant("--at", at) or desk.clock.now()
    )


def calibrated(
    model: PriceModel, read: ValuationInputs, settings: ValuationSettings, *, before: date | None = None
) -> PriceModel:
    """Fit a model to all rows, or to what was known before a day, with intervals from its past errors."""
    from pipeline.valuation.walk_forward import calibrate_or_flag

    rows = read.history if before is None else read.history.at_origin(before)
    return calibrate_or_flag(model, rows, horizons=settings.intervals.horizons, refit=settings.backtest.refit)


def window_options(
    desk: Desk, start: str | None, end: str | None, train_pct: float | None, horizon: int | None
) -> dict[str, Any]:
    """Return the options of a backtest: those of the command line, else the configured ones."""
    from pipeline.valuation.model import LONGEST_HORIZON

    settings = desk.loaded.settings
    chosen = settings.valuation.backtest
    first, last = window_of(start, end)
    ahead = chosen.horizon if horizon is None else horizon
    if not 1 <= ahead <= LONGEST_HORIZON:
        raise ConfigError(
            "the horizon is out of range",
            field="--horizon",
            value=ahead,
            constraint=f"1 to {LONGEST_HORIZON} days",
            fix="take a nearer day",
        )
    return {
        "start": first.date() if first else None,
        "end": last.date() if last else None,
        "train_pct": chosen.train_pct if train_pct is None else train_pct,
        "horizon": ahead,
        "refit": chosen.refit,
        "seed": settings.system.controls.seed,
    }


def origin_of(read: ValuationInputs) -> dict[str, Any]:
    """Return whose days an answer rests on, and how far they go."""
    newest = read.history.date[-1].item()
    return {
        "source": read.feed,
        "simulated": read.simulated,
        "latest_revision": read.latest_revision,
        "data_through": newest.isoformat(),
    }


def day_of(text: str | None) -> date | None:
    """Return the day of ``--date``; None without one."""
    parsed = instant("--date", text)
    return None if parsed is None else parsed.date()
