"""``bells models predict``: what one model, or each of them, knew of a day before it began."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError, ConfigError, InsufficientDataError
from service.cli.models_options import At, Feed, calibrated, day_of, history_for, origin_of
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from assets.valuation.inputs import ValuationInputs
    from pipeline.valuation.history import ChainHistory

FRESH_DAYS = 4
"""Days after which the newest price is no price of the day asked for, and data are stale."""


@dataclass(frozen=True)
class Quote:
    """A price to compare with; ``day`` is that of a close, None where the price was given."""

    price: float | None
    day: date | None


def predict(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model; without one, each that is switched on.")
    ] = None,
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The day whose close is meant; by default today."),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price",
            metavar="USD",
            help="A price to compare with the fair one; by default the newest close, up to four days old.",
        ),
    ] = None,
    at: At = None,
    feed: Feed = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Say what models knew of a day before it began: they are fitted to the rows dated before it alone."""
    from pipeline.valuation.configured import configured_model, configured_models
    from pipeline.valuation.prediction import require_after_genesis

    desk = open_for(assignments)
    settings = desk.loaded.settings.valuation
    models = configured_models(settings) if name is None else (configured_model(name, settings),)
    if not models:
        raise ConfigError(
            "no valuation model is switched on",
            field="valuation.models",
            value=[],
            constraint="one with enabled: true",
            fix="enable one in valuation.yaml",
        )
    asked = day_of(day)
    target = asked or desk.clock.now().date()
    require_after_genesis(target, first=max(each.first_day for each in models))
    if price is not None and not 0.0 < price < inf:
        raise ConfigError(
            "this is no price", "--price", price, "a number above 0", "leave it out if it is unknown"
        )
    read = history_for(desk, feed, at)
    _require_prices_before(target, read.history)
    quote = Quote(price, None) if price is not None else _newest_close(read.history.at_origin(target), target)
    said: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for model in models:
        try:
            found = calibrated(model, read, settings, before=target).predict(
                target, current_price=quote.price
            )
        except BellsError as failure:
            if name is not None or failure.exit_code == 1:  # a wrong option, not a model without data
                raise
            absent[model.name] = failure.what
            continue
        said.append(found.to_dict())
    if not said:
        raise InsufficientDataError(
            "no model has an answer",
            field="models",
            value=absent,
            constraint="one model with data",
            fix="look at bells data status, or ask for another day",
        )
    stale = _stale(read, target) if asked is None else None
    careful = [*([] if stale is None else [stale]), *filter(None, (_one_sided(each) for each in said))]
    payload = {
        "date": target,
        **origin_of(read),
        "current_price": quote.price,
        "current_price_day": quote.day,
        "stale": stale is not None,
        "careful": careful,
        "models": said,
        "absent": absent,
    }
    for words in careful:
        say(words)
    _answer(payload, single=name is not None, as_json=as_json)
    return 0


def _answer(payload: Mapping[str, Any], *, single: bool, as_json: bool) -> None:
    """Print one prediction as the REST contract has it, or all of them in one table."""
    from service.cli.models_tables import emit_predictions, percents

    if not single:
        if as_json:
            emit({"ok": True, **payload}, as_json=True)
        else:
            emit_predictions(payload)
        return
    said = payload["models"][0]
    origin = ("source", "simulated", "latest_revision", "data_through", "current_price_day")
    metadata = {**said["metadata"], **{name: payload[name] for name in origin}}
    if as_json:
        rest = {name: payload[name] for name in ("stale", "careful")}
        emit({"ok": True, **said, "metadata": metadata, **rest}, as_json=True)
        return
    emit_predictions(payload)
    shown = ("as_of", "horizon_days", "in_sample", "sample_size", "interval", "interval_stretched")
    emit(percents({name: metadata[name] for name in shown if name in metadata}), as_json=False)


def _require_prices_before(target: date, history: ChainHistory) -> None:
    """Refuse a day before which there are too few prices for any fit, where a later day would have enough."""
    import numpy as np

    from pipeline.valuation.history import DAY
    from pipeline.valuation.line import LEAST_POINTS

    priced = history.date[np.isfinite(history.column("price_usd"))]
    before = int(np.searchsorted(priced, np.datetime64(target, "D")))
    if before >= LEAST_POINTS or priced.size < LEAST_POINTS:  # else the fit says that the history is short
        return
    first, enough = priced[0], priced[LEAST_POINTS - 1] + DAY
    raise InsufficientDataError(
        f"there is no price before {first}"
        if not before
        else f"there are only {before} days with a price before {target}",
        field="--date",
        value=target.isoformat(),
        constraint=f"at least {LEAST_POINTS} days with a price before it; the first is {first}",
        fix=f"ask for {enough} or a later date",
    )


def _newest_close(rows: ChainHistory, target: date) -> Quote:
    """Return the newest close known before a day, unless it is too old to be a price of that day."""
    newest = _newest_day(rows)
    if newest is None or (target - newest).days > FRESH_DAYS:
        return Quote(None, None)
    return Quote(float(rows.column("price_usd")[rows.index(newest)]), newest)


def _newest_day(rows: ChainHistory) -> date | None:
    import numpy as np

    known = np.flatnonzero(np.isfinite(rows.column("price_usd")))
    return rows.date[known[-1]].item() if known.size else None


def _stale(read: ValuationInputs, today: date) -> str | None:
    newest = _newest_day(read.history)
    if newest is None or (today - newest).days <= FRESH_DAYS:
        return None
    return (
        f"the newest price of {read.feed} is of {newest}, {(today - newest).days} days before {today}: "
        "this is a forecast from then, no value of today; bring the data up to date, or name a --date"
    )


def _one_sided(said: Mapping[str, Any]) -> str | None:
    if not said["metadata"].get("interval_stretched"):
        return None
    return (
        f"{said['model_name']}: the estimate stands on the edge of an interval, "
        "for past errors were nearly all on one side: the model is biased"
    )
