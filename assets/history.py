"""Stored history as kernels want it: one panel, the daily bars beside it, and what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InsufficientDataError
from warehouse.manifest import Input
from warehouse.tables import OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.backtest.result import Provenance
    from pipeline.config.instruments import Instrument
    from pipeline.features.compute import ExpectedCloses
    from pipeline.market.panel import Panel
    from warehouse.store import Warehouse
    from warehouse.table import Table


@dataclass(frozen=True)
class History:
    """Bars of some symbols up to an instant.

    Parameters
    ----------
    panel
        All H4 cells from the first stored bar to ``end``.
    daily
        Daily bars of the same symbols.
    expected
        The daily closes that each symbol's calendar expects.
    provenance
        Where the prices come from: feed, simulated or not, adjustment and vintage by symbol.
    inputs
        What was read, with digests, for the manifest.
    """

    panel: Panel
    daily: pl.DataFrame
    expected: Mapping[str, ExpectedCloses]
    provenance: Provenance
    inputs: tuple[Input, ...]


def read_history(
    symbols: Sequence[str],
    end: datetime,
    *,
    feed: str,
    warehouse: Warehouse,
    instruments: Mapping[str, Instrument],
    at: datetime | None = None,
) -> History:
    """Read everything stored for ``symbols`` with labels before ``end``, as of ``at``.

    Raises
    ------
    InsufficientDataError
        When no H4 bar of any of the symbols is stored.
    """
    from pipeline.backtest.result import Provenance
    from pipeline.calendar.grid import cell_label
    from pipeline.market.panel import build_panel

    where = {"feed": feed, "symbol": list(symbols)}
    bars = warehouse.as_of(OHLCV_H4, at, where=where, end=end)
    daily = warehouse.as_of(OHLCV_DAILY, at, where=where, end=end)
    if not bars.height:
        raise InsufficientDataError(
            f"no H4 bars of {', '.join(symbols)} are stored for the feed {feed}",
            field="market.ohlcv_h4",
            value=0,
            constraint="at least one bar",
            fix=f"run `bells data update --source {feed}` or `bells run --source {feed}`",
        )
    first = bars["ts"].sort().to_list()[0]
    panel = build_panel(bars, symbols, first, max(cell_label(end), first))
    return History(
        panel=panel,
        daily=daily,
        expected={s: _expected_closes(instruments[s], daily, end) for s in symbols},
        provenance=Provenance(
            feed, bool(bars["simulated"].any()), _by_symbol(bars, "adjustment"), _by_symbol(bars, "vintage")
        ),
        inputs=(_input(OHLCV_H4, bars, at), _input(OHLCV_DAILY, daily, at)),
    )


def _expected_closes(instrument: Instrument, daily: pl.DataFrame, end: datetime) -> ExpectedCloses:
    """Return the closes the calendar expects from the first stored one on, by the rule of the instrument."""
    import numpy as np
    import polars as pl

    from pipeline.calendar.sessions import expected_daily
    from pipeline.features.compute import ExpectedCloses
    from resources.market.checked import when_known

    own = daily.filter(pl.col("symbol") == instrument.symbol)
    if not own.height:
        nothing = np.array([], dtype="datetime64[us]")
        return ExpectedCloses(nothing, nothing)
    days = expected_daily(instrument.calendar, own["ts"].sort().to_list()[0], end)
    ts, close_at = (days[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
    return ExpectedCloses(ts, when_known(instrument, "daily", ts, close_at, None))


def _input(table: Table, frame: pl.DataFrame, at: datetime | None) -> Input:
    from warehouse.digest import digest_frame

    digest = digest_frame(table, frame) if frame.height else None
    return Input(table.full_name, at, frame.height, digest)


def _by_symbol(bars: pl.DataFrame, column: str) -> dict[str, str]:
    """Return the newest word of each symbol; what a source does not say is left out."""
    newest = bars.filter(bars[column].is_not_null()).sort("ts").group_by("symbol").last()
    return dict(newest.select("symbol", column).iter_rows())
