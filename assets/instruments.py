"""What stored symbols are: the instrument table, and for other symbols what their feed took them for.

A folder of hundreds of stocks needs no entry for each: its source says what they trade like, an ingest stores
that in ``market.instruments``, and whoever reads the bars later asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.tables import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl

    from pipeline.config.instruments import Instrument
    from resources.market.port import Listed, Timeframe
    from warehouse.store import Warehouse

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
