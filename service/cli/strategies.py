"""``bells strategies``: which there are, what they say of themselves and of now, a package for a new one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError, ConfigError
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, Source, emit, emit_rows, say

if TYPE_CHECKING:
    from pipeline.config.strategies import StrategySettings

app = typer.Typer(help="Strategies: list them, ask them, write a new one.")

SHORT = ("name", "version", "status", "budget", "universe", "urgency", "horizon", "origin", "problem")


@app.command("list")
def list_all(assignments: Set = None, as_json: Json = False) -> int:
    """List the configured strategies and the installed ones that nothing configures yet."""
    from pipeline.strategies.registry import names

    configured = open_for(assignments).loaded.settings.strategies
    rows = [described(name, configured.get(name)) for name in dict.fromkeys([*configured, *names()])]
    sound = all(row["problem"] is None for row in rows)
    if as_json:
        emit({"ok": sound, "strategies": rows}, as_json=True)
    else:
        emit_rows("strategies", [{name: row[name] for name in SHORT} for row in rows])
    return 0 if sound else ConfigError.exit_code


@app.command()
def signal(
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="Name in strategies.yaml, or portfolio.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="INSTANT", help="The last decision up to then; now.")
    ] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Say what a strategy wants to hold at a decision, how sure it is, and how urgent: nothing is traded."""
    from assets.signals import signals_at

    desk = open_for(assignments, source, backtest__strategy=strategy)
    said = signals_at(desk, instant("--at", at) or desk.clock.now())
    rows = [
        {
            "strategy": one.strategy,
            "version": one.version,
            "at": one.at,
            "weights": dict(one.weights),
            "confidence": None if one.confidence is None else dict(one.confidence),
            "urgency": one.hints.urgency,
            "horizon": one.hints.horizon,
        }
        for one in said
    ]
    if as_json:
        emit({"ok": True, "source": desk.market.feed, "signals": rows}, as_json=True)
    else:
        emit_rows(f"signals on {desk.market.feed}", rows)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as GoldenCross.")],
    template: Annotated[
        str, typer.Option("--template", metavar="KIND", help="trend, mean_reversion, momentum or blank.")
    ] = "blank",
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Where to; by default a folder of its name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a package with a strategy, its entry point, its test, and its entry for strategies.yaml."""
    from service.strategy_package import write_package

    made = write_package(name, template, folder)
    if as_json:
        emit({"ok": True, **asdict(made), "template": template}, as_json=True)
        return
    emit_rows(f"{made.name} in {made.folder}", [{"file": file} for file in made.files])
    say(f"try it: {sys.executable} -m pytest {made.folder} (`make test` or `make lint` installs pytest)")
    say(f"install it: {sys.executable} -m pip install --no-deps --no-build-isolation {made.folder}")
    say("then put the lines of its strategies.yaml into configs/base/strategies.yaml")


def described(name: str, configured: StrategySettings | None) -> dict[str, Any]:
    """Return what ``list`` prints of a strategy; a broken one has its problem in place of what it would say.

    ``parameters`` are those it would run with, defaults filled in.
    """
    from pipeline.strategies.hints import hints_of
    from pipeline.strategies.lock import lock_of
    from pipeline.strategies.registry import origin_of, parameters, strategy

    row: dict[str, Any] = {
        "name": name,
        "version": None if configured is None else configured.version,
        "status": None if configured is None else configured.status,
        "budget": None if configured is None else configured.budget,
        "description": None if configured is None else configured.description,
        "universe": None if configured is None else configured.universe,
        "parameters": None if configured is None else configured.parameters,
        "features": None,
        "regimes": None,
        "urgency": None,
        "horizon": None,
        "confidence": None,
        "origin": None,
        "code": None,
        "problem": None,
    }
    try:
        if configured is None:
            chosen = strategy(name)
            params = parameters(chosen)
        else:
            chosen = strategy(name, configured.universe, version=configured.version)
            params = parameters(chosen, configured.parameters)
        hints = hints_of(chosen)
        return row | {
            "origin": origin_of(name),
            "version": chosen.version,
            "universe": list(chosen.universe),
            "parameters": params.model_dump(mode="json"),
            "features": list(chosen.features(params)),
            "regimes": list(chosen.regimes),
            "urgency": hints.urgency,
            "horizon": hints.horizon,
            "confidence": hints.confident,
            "code": lock_of(chosen).digest,
        }
    except BellsError as failure:
        return row | {"problem": str(failure)}
