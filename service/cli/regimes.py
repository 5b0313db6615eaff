"""``bells regimes``: what kind of market it is or was, since when, from which numbers, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError, InsufficientDataError
from service.cli.opening import instant, open_for
from service.cli.output import Json, Set, Source, emit, emit_rows

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np

    from assets.regimes.rows import RegimeInputs
    from pipeline.config.regimes import RegimeSettings
    from pipeline.regimes.classify import Classification
    from pipeline.regimes.transitions import Transition

app = typer.Typer(help="Regimes: labels, since when, inputs, changes.")


@app.callback()
def _group() -> None:
    """Regimes: labels, since when, inputs, changes."""


@app.command()
def show(
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="DATE", help="As known then; by default now, or where the source ends."),
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", help="Newest changes shown.")] = 10,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Show the four regimes in force at the newest decision, and what budgets are multiplied by."""
    from assets.regimes.rows import read_regime_inputs
    from assets.regimes.tables import changes_of

    if last < 0:
        raise ConfigError("a number of changes is negative", field="--last", value=last, constraint=">= 0")
    asked = instant("--at", at)
    desk = open_for(assignments, source)
    then = min(asked or desk.clock.now(), desk.market.history.until(desk.clock.now()))
    settings = desk.loaded.settings
    read = read_regime_inputs(
        then, feed=desk.market.feed, warehouse=desk.warehouse, settings=settings, at=asked
    )
    classified = read.at(read.axis(then))
    if not classified.decisions.size:
        raise InsufficientDataError(
            f"nothing of what regimes are told by is known to the feed {desk.market.feed} then",
            field="--at" if at else "market.ohlcv_daily",
            value=at or 0,
            constraint="at least one daily close or macro value",
            fix="run `bells data update`, or name a later date",
        )
    changes = changes_of(classified)
    regimes = {name: _regime(name, classified, changes, read, then) for name in classified.of}
    payload: dict[str, Any] = {
        "ok": True,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "decision": _instant(classified.decisions[-1]),
        **{name: regime["label"] for name, regime in regimes.items()},
        "regimes": regimes,
        "multipliers": _multipliers(classified, settings.regimes),
        "latest_revision": list(read.latest_revision),
        "transitions": [_change(change) for change in reversed(changes[len(changes) - last :])],
        "changes": len(changes),
    }
    if as_json:
        emit(payload, as_json=True)
        return 0
    emit({name: payload[name] for name in ("source", "simulated", "decision")}, as_json=False)
    emit_rows("regimes", [{"regime": name, **regime} for name, regime in regimes.items()])
    emit_rows("budgets are multiplied by", [payload["multipliers"]])
    emit_rows(f"changes, newest first, of {len(changes):,}", payload["transitions"])
    return 0


def _regime(
    dimension: str,
    classified: Classification,
    changes: list[Transition],
    read: RegimeInputs,
    then: datetime,
) -> dict[str, Any]:
    """Return one dimension at the newest decision; ``since`` is None where it never left its start label."""
    from pipeline.calendar.stale import staleness
    from pipeline.regimes.classify import names_of
    from pipeline.regimes.vocabulary import labels

    of = classified.of[dimension]
    own = [change for change in changes if change.dimension == dimension]
    name = next((n for n in names_of(read.rules, dimension) if read.observations[n].n), None)
    one = read.observations[name] if name else None
    state = (
        staleness(one.ts, one.known_at, one.expected_ts, one.expected_known_at, then) if one else "unknown"
    )
    return {
        "label": labels(dimension, of.codes[-1:])[0],
        "since": _instant(own[-1].decision) if own else None,
        "from": name,
        "observed": _instant(of.observed[-1]),
        "state": str(state),
        "missed": _number(of.missed[-1]),
        "inputs": {name: _number(values[-1]) for name, values in of.inputs.items()},
    }


def _multipliers(classified: Classification, regimes: RegimeSettings) -> dict[str, float]:
    """Return by strategy the product of the factors in force."""
    import numpy as np

    from pipeline.regimes.budgets import multiplier_table

    multipliers = regimes.multipliers
    names = sorted({name for row in multipliers.values() for name in row})
    table = multiplier_table(multipliers, names)
    factors = [table[dimension][codes[-1]] for dimension, codes in classified.codes.items()]
    return dict(zip(names, np.prod(factors, axis=0).tolist(), strict=True))


def _change(change: Transition) -> dict[str, Any]:
    return {
        "decision": _instant(change.decision),
        "regime": change.dimension,
        "before": change.before,
        "after": change.after,
        "cause": str(change.cause),
        "observed": _instant(change.observed),
        "inputs": dict(change.inputs),
    }


def _instant(at: np.datetime64) -> datetime | None:
    import numpy as np

    from pipeline.calendar.grid import from_time64

    return None if np.isnat(at) else from_time64(at)


def _number(value: float) -> float | None:
    from math import isnan

    return None if isnan(value) else float(value)
