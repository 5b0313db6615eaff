"""Stored history as kernels want it: one panel, the daily bars beside it, and what was read.

A bar that was corrected is there as it was first published, and corrected from the instant on at which the
correction became known: a decision sees neither what came after it, nor a hole where a bar was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from assets.inputs import first_versions, input_of
from assets.market.instruments import survivors
from assets.market.payments import read_actions, read_payments
from pipeline.errors import InsufficientDataError
from warehouse.tables import OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from assets.market.payments import Paid
    from pipeline.arrays import Float2D
    from pipeline.backtest.result import Provenance
    from pipeline.config.instruments import Instrument
    from pipeline.config.system import Cash
    from pipeline.features.compute import ExpectedCloses
    from pipeline.features.registry import FeatureSpec
    from pipeline.market.panel import Panel
    from warehouse.manifest import Input
    from warehouse.store import Warehouse
    from warehouse.table import Table


@dataclass(frozen=True)
class Corrected:
    """The same bars with every correction and split of ``since``, known from when each bar first was."""

    since: datetime
    panel: Panel
    daily: pl.DataFrame


@dataclass(frozen=True)
class History:
    """Bars of some symbols up to an instant.

    Parameters
    ----------
    panel
        All H4 cells from the first stored bar to ``end``, as first published.
    daily
        Daily bars of the same symbols, as first published.
    expected
        The daily closes that each symbol's calendar expects.
    provenance
        Where the prices come from: feed, simulated or not, adjustment and vintage by symbol.
    recorded
        Makes the record of what was read.
    corrected
        What later corrections and splits made of it, oldest first; empty without any before ``end``.
    latest
        The same bars in their newest versions, whenever those became known, and what splits made of them
        later; empty where nothing was corrected.
    paid
        Dividends, splits and interest; None where nobody asked for them.
    """

    panel: Panel
    daily: pl.DataFrame
    expected: Mapping[str, ExpectedCloses]
    provenance: Provenance
    recorded: Callable[[], tuple[Input, ...]]
    corrected: tuple[Corrected, ...] = ()
    latest: tuple[Corrected, ...] = ()
    paid: Paid | None = None

    @cached_property
    def traded(self) -> Panel:
        """The panel as an account meets it: prices of the day, and what is paid beside them."""
        return self.panel if self.paid is None else self.paid.on(self.panel)

    def newest(self) -> History:
        """Return the history in its newest versions; only where ``latest`` is not empty."""
        first, *rest = self.latest
        return replace(self, panel=first.panel, daily=first.daily, corrected=tuple(rest), latest=())

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """What was read, with digests, for the manifest; hashed when first asked for."""
        return self.recorded()

    def features(self, specs: Sequence[FeatureSpec]) -> dict[str, Float2D]:
        """Return features as known at each decision, by name, shape ``(bars, assets)``.

        A decision sees the corrections that were known by then, and no later ones.
        """
        import numpy as np

        from pipeline.features.compute import features_at_decisions

        values = features_at_decisions(self.panel, self.daily, specs, expected=self.expected)
        for later in self.corrected:
            newer = features_at_decisions(later.panel, later.daily, specs, expected=self.expected)
            seen = self.panel.decisions >= np.datetime64(later.since.replace(tzinfo=None), "us")
            for name, column in values.items():
                column[seen] = newer[name][seen]
        return values


def read_history(
    symbols: Sequence[str],
    end: datetime,
    *,
    feed: str,
    warehouse: Warehouse,
    instruments: Mapping[str, Instrument],
    at: datetime | None = None,
    cash: Cash | None = None,
) -> History:
    """Read everything stored for ``symbols`` with labels before ``end``, as of ``at``.

    With ``cash`` also what is paid beside prices.  Features see older prices in the shares of each decision:
    divided by the splits in force then.

    Raises
    ------
    InsufficientDataError
        When no H4 bar of any of the symbols is stored.
    """
    from pipeline.backtest.result import Provenance
    from pipeline.calendar.grid import cell_label
    from pipeline.market.panel import build_panel

    where = {"feed": feed, "symbol": list(symbols)}
    versions = {
        table: warehouse.versions(table, at, where=where, end=end) for table in (OHLCV_H4, OHLCV_DAILY)
    }
    bars, daily = (first_versions(table, rows) for table, rows in versions.items())
    if not bars.height:
        raise InsufficientDataError(
            f"no H4 bars{' of ' if symbols else ''}{', '.join(symbols)} are stored for the feed {feed}",
            field="market.ohlcv_h4",
            value=0,
            constraint="at least one bar",
            fix="run `bells data update` (see `bells data status` for what there is), or another universe:"
            " --set strategies.EquityTrend.universe=[BTC/USD]",
        )
    first = bars["ts"].sort().head(1).item()
    last = max(cell_label(end), first)
    adjustment = _adjustments(daily) | _adjustments(bars)
    actions = read_actions(symbols, end, feed=feed, warehouse=warehouse, at=at)
    splits = _splits(actions, adjustment, bars, daily)
    corrected, latest = (
        tuple(
            Corrected(since, build_panel(newer[OHLCV_H4], symbols, first, last), newer[OHLCV_DAILY])
            for since, newer in found
        )
        for found in (_corrections(versions, splits, end), _newest(versions, splits))
    )
    paid = None
    if cash is not None:
        paid = read_payments(actions, adjustment, cash, end, feed=feed, warehouse=warehouse, at=at)
    return History(
        panel=build_panel(bars, symbols, first, last),
        daily=daily,
        expected={s: _expected_closes(instruments[s], daily, end) for s in symbols},
        provenance=Provenance(
            feed,
            bool(bars["simulated"].any()),
            adjustment,
            _by_symbol(daily, "vintage") | _by_symbol(bars, "vintage"),
            sum(int((frame["state"] == "imputed").sum()) for frame in (bars, daily)),
            survivors(warehouse, feed, symbols),
            () if paid is None else paid.symbols,
        ),
        recorded=lambda: (
            *(input_of(table, rows, at, end) for table, rows in versions.items()),
            *(() if paid is None else paid.inputs),
        ),
        corrected=corrected,
        latest=latest,
        paid=paid,
    )


def _splits(
    actions: pl.DataFrame, adjustment: Mapping[str, str], bars: pl.DataFrame, daily: pl.DataFrame
) -> pl.DataFrame:
    """Return the splits that raw bars or daily bars go through, and since when each is in force."""
    import polars as pl

    every = pl.concat([bars.select("symbol", "ts"), daily.select("symbol", "ts")])
    begun = every.group_by("symbol").agg(begun=pl.col("ts").min())
    raw = [symbol for symbol, word in adjustment.items() if word == "raw"]
    splits = actions.filter(pl.col("kind") == "split", pl.col("symbol").is_in(raw)).join(begun, on="symbol")
    inside = splits.filter(pl.col("ts") > pl.col("begun")).drop("begun")
    return inside.with_columns(since=pl.max_horizontal("ts", "known_at"))


def _in_shares_of(rows: pl.DataFrame, splits: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return bars with those of split symbols in shares of ``at``."""
    import polars as pl

    from pipeline.market.adjustment import split_adjusted

    if splits.is_empty():
        return rows
    split = pl.col("symbol").is_in(splits["symbol"].implode())
    return pl.concat([rows.filter(~split), split_adjusted(rows.filter(split), splits, at)])


def _known_by(table: Table, versions: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """Return each bar in its newest version of ``since``, known from when the bar first was.

    Bars first published after ``since`` are there as first published.
    """
    import polars as pl

    seen = (pl.col("known_at") <= since) | pl.struct(table.key).is_first_distinct()
    newest = versions.filter(seen).unique(table.key, keep="last", maintain_order=True)
    first = first_versions(table, versions).select(*table.key, first_known="known_at")
    joined = newest.join(first, on=table.key, how="left", maintain_order="left")
    return joined.with_columns(known_at="first_known").select(versions.columns)


def _corrections(
    versions: Mapping[Table, pl.DataFrame], splits: pl.DataFrame, end: datetime
) -> Iterator[tuple[datetime, dict[Table, pl.DataFrame]]]:
    """Yield the instants up to ``end`` of corrections and splits, and all bars as known and counted then."""
    import polars as pl

    arrived = [
        rows.filter(~pl.struct(table.key).is_first_distinct() & (pl.col("known_at") <= end))["known_at"]
        for table, rows in versions.items()
    ]
    in_force = splits.filter(pl.col("since") <= end)["since"]
    for since in pl.concat([*arrived, in_force]).unique().sort():
        yield (
            since,
            {
                table: _in_shares_of(_known_by(table, rows, since), splits, since)
                for table, rows in versions.items()
            },
        )


def _newest(
    versions: Mapping[Table, pl.DataFrame], splits: pl.DataFrame
) -> Iterator[tuple[datetime, dict[Table, pl.DataFrame]]]:
    """Yield all bars in their newest versions, where any was corrected, and again in the shares after splits.

    The instants are when they became so, then those of the splits.
    """
    import polars as pl

    corrected = pl.concat(
        rows.filter(~pl.struct(table.key).is_first_distinct())["known_at"] for table, rows in versions.items()
    )
    for since in corrected.sort().tail(1):
        newest = {table: _known_by(table, rows, since) for table, rows in versions.items()}
        yield since, newest
        for split in splits["since"].unique().sort():
            yield split, {table: _in_shares_of(rows, splits, split) for table, rows in newest.items()}


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
    days = expected_daily(instrument.calendar, own["ts"].sort().head(1).item(), end)
    ts, close_at = (days[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
    return ExpectedCloses(ts, when_known(instrument, "daily", ts, close_at, None))


def _adjustments(bars: pl.DataFrame) -> dict[str, str]:
    """Return what the prices of each symbol are adjusted for; more than one word where its bars differ."""
    import polars as pl

    words = bars.group_by("symbol").agg(pl.col("adjustment").fill_null("unknown").unique().sort())
    return {symbol: " and ".join(found) for symbol, found in words.iter_rows()}


def _by_symbol(bars: pl.DataFrame, column: str) -> dict[str, str]:
    """Return the newest word of each symbol; what a source does not say is left out."""
    newest = bars.filter(bars[column].is_not_null()).sort("ts").group_by("symbol").last()
    return dict(newest.select("symbol", column).iter_rows())
