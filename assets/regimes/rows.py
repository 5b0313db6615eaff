"""Regimes as the warehouse knows them: their inputs read by name, whatever a panel's universe holds.

Reads the daily closes and macro series that ``regimes.yaml`` names, in all their versions; the classifiers
decide what each decision may see of them.  A raw close that a split has made old is one version more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.tables import CORPORATE_ACTIONS, MACRO, OHLCV_DAILY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    import polars as pl

    from pipeline.arrays import Int8, Time1D
    from pipeline.config.instruments import Instrument
    from pipeline.config.regimes import RegimeSettings
    from pipeline.config.settings import Settings
    from pipeline.market.panel import Panel
    from pipeline.regimes.classify import Classification
    from pipeline.regimes.observations import Observations
    from warehouse.manifest import Input
    from warehouse.store import Warehouse


@dataclass(frozen=True)
class RegimeInputs:
    """What the classifiers read of a feed.

    Parameters
    ----------
    observations
        By symbol or series; an input that the feed does not have is empty.
    rules
        The settings that name them.
    inputs
        What was read, with digests, for a manifest.
    latest_revision
        Inputs of which only the latest revision exists; a run that reads them says so.
    """

    observations: Mapping[str, Observations]
    rules: RegimeSettings
    inputs: tuple[Input, ...]
    latest_revision: tuple[str, ...]

    def axis(self, until: datetime) -> Time1D:
        """Return the decisions from the first daily close on (else the first macro value) up to ``until``.

        Macro series reach back for generations before there is a price to trade on.
        """
        from pipeline.calendar.grid import CELL64, cell_label, cell_of_close, cells, from_time64
        from pipeline.regimes.classify import inputs_of

        kinds = inputs_of(self.rules)
        seen = {name: one.known_at.min() for name, one in self.observations.items() if one.n}
        closes = [at for name, at in seen.items() if kinds[name] == "daily"]
        stop = cell_label(until)
        start = min([cell_of_close(from_time64(at)) for at in closes or seen.values()], default=stop)
        return cells(min(start, stop), stop) + CELL64

    def at(self, decisions: Time1D) -> Classification:
        """Return the labels in force at each decision."""
        from pipeline.regimes.classify import classify

        return classify(decisions, self.observations, self.rules)


def regimes_at(
    panel: Panel, *, feed: str, warehouse: Warehouse, settings: Settings, at: datetime | None = None
) -> dict[str, Int8]:
    """Return the codes in force at each decision of a panel, by dimension, shape ``(bars,)``.

    The panel's own symbols do not matter; ``at`` reads the warehouse as of an instant.

    Raises
    ------
    DataError
        When there is no warehouse yet.
    """
    from pipeline.calendar.grid import from_time64

    end = from_time64(panel.decisions[-1])
    read = read_regime_inputs(end, feed=feed, warehouse=warehouse, settings=settings, at=at)
    return read.at(panel.decisions).codes


def read_regime_inputs(
    end: datetime,
    *,
    feed: str,
    warehouse: Warehouse,
    settings: Settings,
    at: datetime | None = None,
) -> RegimeInputs:
    """Read every version of every input with labels before ``end``, as of ``at``.

    Raises
    ------
    DataError
        When there is no warehouse yet.
    """
    import polars as pl

    from assets.inputs import input_of
    from assets.market.payments import read_actions
    from pipeline.regimes.classify import inputs_of

    kinds = inputs_of(settings.regimes)
    symbols = [name for name, kind in kinds.items() if kind == "daily"]
    series = [name for name, kind in kinds.items() if kind != "daily"]
    daily = warehouse.versions(OHLCV_DAILY, at, where={"feed": feed, "symbol": symbols}, end=end)
    macro = warehouse.versions(MACRO, at, where={"feed": feed, "series": series}, end=end)
    actions = read_actions(symbols, end, feed=feed, warehouse=warehouse, at=at)
    told = (input_of(CORPORATE_ACTIONS, actions, at, end),) if actions.height else ()
    revised = {
        *daily.filter(pl.col("vintage") == "latest_revision")["symbol"],
        *macro.filter(pl.col("vintage") == "latest_revision")["series"],
    }
    return RegimeInputs(
        observations_of(daily, macro, settings, end, actions),
        settings.regimes,
        (input_of(OHLCV_DAILY, daily, at, end), input_of(MACRO, macro, at, end), *told),
        tuple(sorted(revised)),
    )


def observations_of(
    daily: pl.DataFrame,
    macro: pl.DataFrame,
    settings: Settings,
    end: datetime,
    actions: pl.DataFrame | None = None,
) -> dict[str, Observations]:
    """Return every input by name, from daily bars and macro values in all their versions, up to ``end``.

    Closes of symbols whose bars are all raw are in the shares of the reader's instant, by the splits among
    ``actions``; None: as they are.
    """
    import polars as pl

    from pipeline.market.adjustment import restated_closes
    from pipeline.regimes.classify import inputs_of

    if actions is not None and actions.height:
        raw = pl.col("symbol").is_in(_raw_only(daily).implode())
        kept = daily.filter(~raw).select("symbol", "ts", "known_at", "close")
        daily = pl.concat([kept, restated_closes(daily.filter(raw), actions)])
    activity = settings.regimes.macro.activity
    found = {}
    for name, kind in inputs_of(settings.regimes).items():
        if kind == "daily":
            found[name] = _closes(daily.filter(pl.col("symbol") == name), settings.instruments[name], end)
        else:
            late = activity[name].late_minutes if kind == "monthly_series" else None
            found[name] = _values(macro.filter(pl.col("series") == name), late, end)
    return found


def _raw_only(daily: pl.DataFrame) -> pl.Series:
    """Return the symbols whose bars are all raw: of others nobody can say which splits are in them."""
    import polars as pl

    words = daily.group_by("symbol").agg(raw=(pl.col("adjustment") == "raw").fill_null(value=False).all())
    return words.filter("raw")["symbol"]


def _closes(rows: pl.DataFrame, instrument: Instrument, end: datetime) -> Observations:
    """Return daily closes and what the calendar of the instrument expects from the first of them on."""
    from pipeline.calendar.sessions import expected_daily
    from pipeline.regimes.observations import Observations, nothing
    from resources.market.checked import when_known

    rows = _known(rows, "close")
    if rows.is_empty():
        return nothing()
    days = expected_daily(instrument.calendar, _first(rows, instrument.calendar), end)
    ts, close_at = _times(days["ts"]), _times(days["close_at"])
    due = when_known(instrument, "daily", ts, close_at, None)
    return Observations(
        _times(rows["ts"]), _times(rows["known_at"]), rows["close"].to_numpy().copy(), ts, due
    )


def _values(rows: pl.DataFrame, late_minutes: int | None, end: datetime) -> Observations:
    """Return a macro series and what is expected of it: monthly with ``late_minutes``, daily with None."""
    from datetime import timedelta

    import numpy as np

    from pipeline.calendar.known import KnownRule, known_at
    from pipeline.calendar.sessions import expected_daily
    from pipeline.regimes.observations import Observations, nothing

    rows = _known(rows, "value")
    if rows.is_empty():
        return nothing()
    first = _first(rows, "XNYS")
    if late_minutes is None:
        ts = _times(expected_daily("XNYS", first, end)["ts"])
        due = known_at(KnownRule.FRED_DAILY, ts)
    else:
        months = [np.datetime64(bound.replace(tzinfo=None), "M") for bound in (first, end)]
        ts = np.arange(months[0], months[1] + 1).astype("datetime64[us]")
        due = known_at(KnownRule.MONTHLY_RELEASE, ts, lag=timedelta(minutes=late_minutes))
    return Observations(
        _times(rows["ts"]), _times(rows["known_at"]), rows["value"].to_numpy().copy(), ts, due
    )


def _known(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the versions that have a number, in order."""
    import polars as pl

    value = pl.col(column)
    return rows.filter(value.is_not_null() & value.is_not_nan()).sort("ts", "known_at", maintain_order=True)


def _first(rows: pl.DataFrame, calendar: str) -> datetime:
    """Return the first label, or where the calendar begins when that is later."""
    from datetime import UTC, datetime

    first = rows["ts"].to_list()[0]
    return first if calendar == "24/7" else max(first, datetime(1940, 1, 1, tzinfo=UTC))


def _times(column: pl.Series) -> np.ndarray:
    return column.dt.replace_time_zone(None).to_numpy()
