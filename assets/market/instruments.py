"""What stored symbols are: the instrument table, and for other symbols what their feed took them for.

A folder of hundreds of stocks needs no entry for each: its source says what they trade like, an ingest stores
that in ``market.instruments``, and whoever reads the bars later asks here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from warehouse.tables import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    import polars as pl

    from pipeline.config.instruments import Instrument
    from resources.market.port import Listed, Timeframe
    from warehouse.store import Warehouse

_MOMENT = timedelta(microseconds=1)
_FIELDS = ("symbol", "asset_class", "venue", "calendar", "currency", "tick", "lot", "min_notional")


def listed_rows(listed: Mapping[str, Listed], feed: str) -> pl.DataFrame:
    """Return the rows of ``market.instruments`` for what a source takes its symbols for."""
    import polars as pl

    rows = [
        {
            "feed": feed,
            **taken.instrument.model_dump(mode="json", include=set(_FIELDS)),
            "symbol": symbol,
            "taken_for": taken.like,
            "survivors": taken.survivors,
        }
        for symbol, taken in sorted(listed.items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def known_instruments(
    warehouse: Warehouse, feed: str, table: Mapping[str, Instrument]
) -> dict[str, Instrument]:
    """Return every instrument of a feed by symbol; an entry of the instrument table wins.

    Parameters
    ----------
    warehouse
        Read only when there is one.
    feed
        Whose symbols.
    table
        The instrument table of the settings.
    """
    from pipeline.config.instruments import Instrument

    stored = _stored(warehouse, {"feed": feed}, _FIELDS)
    taken = {} if stored is None else {row["symbol"]: Instrument(**row) for row in stored.to_dicts()}
    return taken | dict(table)


def survivors(warehouse: Warehouse, feed: str, symbols: Collection[str]) -> tuple[str, ...]:
    """Return which of the symbols their feed chose among those that are still there."""
    where = {"feed": feed, "symbol": sorted(symbols), "survivors": True}
    stored = _stored(warehouse, where, ("symbol",))
    return () if stored is None else tuple(stored["symbol"].sort())


def expected_of(
    bars: pl.DataFrame, timeframe: Timeframe, instruments: Mapping[str, Instrument]
) -> dict[str, pl.DataFrame]:
    """Return what each symbol's calendar expects between its first and last bar; only symbols we know.

    Parameters
    ----------
    bars
        Columns ``symbol, ts``.
    timeframe
        Of the bars.
    instruments
        By symbol.
    """
    import polars as pl

    from pipeline.calendar.sessions import expected_daily, expected_h4

    expect = {"h4": expected_h4, "daily": expected_daily}[timeframe]
    spans = bars.group_by("symbol").agg(first=pl.col("ts").min(), last=pl.col("ts").max()).sort("symbol")
    alike: dict[tuple[str, datetime, datetime], pl.DataFrame] = {}  # hundreds of stocks share a few stretches
    found = {}
    for symbol, first, last in spans.iter_rows():
        if symbol in instruments:
            key = (instruments[symbol].calendar, first, last)
            if key not in alike:
                alike[key] = expect(*key[:2], last + _MOMENT)
            found[symbol] = alike[key]
    return found


def known_before_bounds(
    bars: pl.DataFrame, timeframe: Timeframe, instruments: Mapping[str, Instrument]
) -> pl.DataFrame:
    """Return the bars that claim to be known before New York's wall clock allows, apart from every calendar.

    Raises
    ------
    DataError
        When a symbol has no instrument.
    """
    import polars as pl

    from pipeline.calendar.bounds import known_too_early
    from pipeline.errors import DataError
    from resources.market.checked import daily_rule

    bounds: dict[str, str] = {}
    for symbol in bars["symbol"].unique().sort():
        instrument = instruments.get(symbol)
        if instrument is None:
            raise DataError(
                "a stored symbol has no instrument",
                field="symbol",
                value=symbol,
                constraint="an entry in instruments.yaml, or one that its source gave it",
                fix="add it to instruments.yaml, or run `bells data update` of its source",
            )
        cell = "cell" if instrument.calendar == "24/7" else "cell_new_york"
        bounds[symbol] = cell if timeframe == "h4" else daily_rule(instrument)
    # By kind of bound, not by symbol: hundreds of stocks share the same days.
    rows = bars.select("symbol", "ts", "known_at")
    kinds = pl.col("symbol").replace_strict(bounds, return_dtype=pl.String)
    parts = [known_too_early(rows.filter(kinds == kind), kind) for kind in sorted(set(bounds.values()))]
    return pl.concat(parts) if parts else rows


def _stored(
    warehouse: Warehouse, where: Mapping[str, object], columns: tuple[str, ...]
) -> pl.DataFrame | None:
    if not warehouse.path.exists():
        return None
    return warehouse.as_of(INSTRUMENTS, where=where, columns=columns)
