"""Records of valuation models as rows of the warehouse: fits, forecasts, errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from warehouse.tables import BACKTESTS, BOARD, MODELS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    import polars as pl

    from assets.valuation.inputs import ValuationInputs
    from pipeline.arrays import Time1D
    from pipeline.config.valuation import ValuationSettings
    from pipeline.valuation.falsification.board import Board
    from pipeline.valuation.record import Record, Scores
    from warehouse.table import Table


def config_of(settings: ValuationSettings) -> str:
    """Return the name of the settings that rows are made with."""
    from hashlib import sha256

    text = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def fit_rows(records: Sequence[Record], read: ValuationInputs, config: str) -> pl.DataFrame:
    """Return every refit that gave parameters, with diagnostics of its sample."""
    import numpy as np

    from pipeline.valuation.parameters import plain_parameters

    rows: list[dict[str, Any]] = []
    for record in records:
        for fit in record.walk.fits:
            if fit.reason is not None:
                continue
            day = np.datetime64(fit.day, "D")
            fitted = record.model.fit(read.history.at_origin(day)).require_fitted()
            if not fitted.complete.any():
                continue
            diagnostics = fitted.diagnostics
            rows.append(
                {
                    **_named(record, read, config),
                    "ts": _instant(day),
                    "first_day": _instant(np.datetime64(fitted.first)),
                    "last_day": _instant(np.datetime64(fitted.last)),
                    "n": int(fitted.complete.sum()),
                    "parameters_json": json.dumps(plain_parameters(fit.parameters), sort_keys=True),
                    "diagnostics_json": json.dumps(diagnostics.to_dict()),
                    "r_squared": diagnostics.r_squared,
                    "residual_sd": diagnostics.residual_sd,
                    "known_at": _instant(read.history.made_at(day)),
                }
            )
    return _frame(MODELS, rows)


def prediction_rows(records: Sequence[Record], read: ValuationInputs, config: str) -> pl.DataFrame:
    """Return every forecast: one row for each origin and horizon that has a price."""
    import numpy as np
    import polars as pl

    from pipeline.valuation.history import DAY

    parts = []
    for record in records:
        walk = record.walk
        days = np.array([fit.day for fit in walk.fits], "datetime64[D]")
        known = np.maximum(read.history.made_at(walk.origins), read.history.made_at(days)[walk.fit_of])
        zones = record.model.zones
        for column, horizon in enumerate(walk.horizons):
            fair = walk.forecast[:, column]
            kept = np.isfinite(fair)
            away = record.last_price / fair - 1.0
            frame = pl.DataFrame(
                {
                    "ts": _instants(walk.origins),
                    "target": _instants(walk.origins + horizon * DAY),
                    "predicted_price": fair,
                    **{
                        f"{side}_{round(100 * level)}": bounds[place][:, column]
                        for level, bounds in record.bounds.items()
                        for place, side in enumerate(("lower", "upper"))
                    },
                    "last_price": record.last_price,
                    "deviation": away,
                    "zone": [
                        zones.zone(price, fair=value)
                        for price, value in zip(record.last_price.tolist(), fair.tolist(), strict=True)
                    ],
                    "fitted": _instants(days[walk.fit_of]),
                    "known_at": known,
                }
            ).filter(pl.Series(kept))
            named = {name: pl.lit(value) for name, value in _named(record, read, config).items()}
            parts.append(frame.with_columns(**named, horizon_days=pl.lit(horizon)))
    if not parts:
        return _frame(PREDICTIONS, [])
    whole = pl.concat(parts)
    naive = [name for name, kind in whole.schema.items() if isinstance(kind, pl.Datetime)]
    return whole.with_columns(pl.col(naive).dt.replace_time_zone("UTC"), pl.col(pl.Float64).fill_nan(None))


def backtest_rows(
    scored: Sequence[tuple[Record, int, Scores]], read: ValuationInputs, config: str
) -> pl.DataFrame:
    """Return the errors of every model at every horizon, up to the newest forecast that can be judged."""
    import numpy as np

    from pipeline.valuation.history import DAY

    rows: list[dict[str, Any]] = []
    for record, horizon, scores in scored:
        good = np.isfinite(record.walk.error[:, record.walk.at(horizon)])
        if not good.any():
            continue
        newest = record.walk.origins[np.flatnonzero(good)[-1]]
        came = newest + (horizon - 1) * DAY
        covered = {f"coverage_{round(100 * each.level)}": each.value for each in scores.coverage}
        signal = scores.signal
        errors = {name: value for name, value in vars(scores.metrics).items() if name in BACKTESTS.names}
        rows.append(
            {
                **_named(record, read, config),
                "horizon_days": horizon,
                "ts": _instant(newest),
                "start": _instant(record.walk.origins[np.flatnonzero(good)[0]]),
                "failed": scores.failed,
                **errors,
                "sharpe_ratio": signal.sharpe_ratio if signal else None,
                "max_drawdown": signal.max_drawdown if signal else None,
                **covered,
                "known_at": _instant(_known(read, np.array([came]))[0]),
            }
        )
    return _frame(BACKTESTS, rows)


def board_rows(board: Board, read: ValuationInputs, config: str) -> pl.DataFrame:
    """Return the board, known with the newest row of the history; what has no column is JSON beside it."""
    from pipeline.valuation.history import DAY

    newest = read.history.date[-1]
    rows: list[dict[str, Any]] = []
    for each in board.rows:
        row = each.to_dict()
        columns = {name: value for name, value in row.items() if name in BOARD.names}
        rest = {name: value for name, value in row.items() if name not in {*BOARD.names, "horizon"}}
        rows.append(
            {
                **columns,
                "feed": read.feed,
                "config": config,
                "horizon_days": row["horizon"],
                "ts": _instant(newest),
                "details_json": json.dumps(rest, sort_keys=True),
                "simulated": read.simulated,
                "known_at": max(_instant(_known(read, read.history.date[-1:])[0]), _instant(newest + DAY)),
            }
        )
    return _frame(BOARD, rows)


def _named(record: Record, read: ValuationInputs, config: str) -> dict[str, Any]:
    return {"feed": read.feed, "model": record.model.name, "config": config, "simulated": read.simulated}


def _known(read: ValuationInputs, days: Time1D) -> Time1D:
    """Return when the last of all rows up to each day became known: a record of errors rests on all."""
    import numpy as np

    latest = np.maximum.accumulate(read.history.known_at)
    return latest[np.clip(read.history.index(days), 0, read.history.n - 1)]


def _instant(at: np.datetime64) -> datetime:
    from datetime import UTC

    return at.astype("datetime64[us]").item().replace(tzinfo=UTC)


def _instants(days: Time1D) -> Time1D:
    return days.astype("datetime64[us]")


def _frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    from warehouse.frames import schema

    return pl.DataFrame(rows, schema=schema(table, [*table.names, "known_at"]), orient="row")
