"""Does ``as_of`` give what was known?  Deliveries are replayed into a scratch warehouse and read at many t.

The truth is kept apart from the store: what the warehouse held is frozen into files while it is replayed, and
what was known is worked out from the deliveries alone (`pipeline.market.two_clocks`).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from assets.market.ingest import update_bars, update_macro
from pipeline.errors import InsufficientDataError
from warehouse.manifest import Manifest
from warehouse.store import Warehouse
from warehouse.tables import MACRO, OHLCV_DAILY, OHLCV_H4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from pipeline.market.deliveries import Delivery
    from pipeline.market.two_clocks import KnownHistory
    from resources.market.port import Fetched, MarketSource
    from warehouse.table import Table

FEED = "replayed"
TABLES: dict[str, Table] = {"h4": OHLCV_H4, "daily": OHLCV_DAILY, "macro": MACRO}
CHUNK_ROWS = 100
"""Small, so that deliveries are written in several chunks."""
MACRO_BEFORE = timedelta(days=366)
"""How much earlier than bars macro series begin: they have few rows."""
MOMENT = timedelta(microseconds=1)
_ALWAYS = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


@dataclass
class Proof:
    """What the comparison found.

    Parameters
    ----------
    cuts
        Instants at which both clocks were read.
    cells
        Cells compared.
    differences
        Cells that are not what they should be.
    places
        The first of them: clock, instant, table, row, column, expected and found value.
    deliveries, dead
        Deliveries replayed, and how many of their writers died before they were done.
    versions, superseded, quarantined
        Versions stored, how many of them follow another one, and rows set aside.
    """

    cuts: int
    cells: int = 0
    differences: int = 0
    places: list[dict[str, Any]] = field(default_factory=list)
    deliveries: int = 0
    dead: int = 0
    versions: int = 0
    superseded: int = 0
    quarantined: int = 0


class _WriterDiedError(Exception):
    """Stands for a kill: nothing after it runs."""


@dataclass
class _Clock:
    """The scratch warehouse's clock; it can end its reader at the n-th look."""

    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    looks_left: int | None = None

    def now(self) -> datetime:
        if self.looks_left is not None:
            self.looks_left -= 1
            if self.looks_left < 0:
                raise _WriterDiedError
        return self.at


class _Replayed:
    """A market source that hands over one delivery."""

    feed = FEED
    simulated = True
    incremental = None

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    def bars(self, *_window: object, now: datetime) -> Fetched:  # noqa: ARG002 - the port's own argument
        from pipeline.market.bars import GAP_SCHEMA, QUARANTINE_SCHEMA, empty
        from resources.market.port import Fetched

        return Fetched(self._rows, empty(QUARANTINE_SCHEMA), (), empty(GAP_SCHEMA), vintaged=True)

    macro = bars


def honest_rows(market: MarketSource, now: datetime, most_rows: int) -> dict[str, pl.DataFrame]:
    """Return the newest rows of a source, by table, of one stretch of time, ``most_rows`` of each at most.

    Raises
    ------
    InsufficientDataError
        When the source has no bars.
    """
    end = market.backtest.until(now)
    window = (market.history.start, end)
    found = {t: market.bars(t, *window, now=end).frame for t in ("h4", "daily")}
    found["macro"] = market.macro(*window, now=end).frame
    newest = {t: frame.sort("ts").tail(most_rows) for t, frame in found.items() if frame.height}
    starts = [newest[t]["ts"][0] for t in ("h4", "daily") if t in newest]
    if not starts:
        raise InsufficientDataError(
            "the source has no bars to replay",
            field="--source",
            value=market.feed,
            constraint="at least one bar",
            fix="name another source",
        )
    since = {"macro": max(starts) - MACRO_BEFORE}
    cut = {t: frame.filter(frame["ts"] >= since.get(t, max(starts))) for t, frame in newest.items()}
    return {t: frame for t, frame in cut.items() if frame.height}


@dataclass(frozen=True)
class Replay:
    """A replayed history: the warehouse it went into and what is known about it apart from the warehouse.

    Parameters
    ----------
    warehouse, folder
        The scratch warehouse, and where the frozen copies lie.
    known
        By table, what was known when.
    delivered
        When each delivery was stored.
    instants
        Where to read.
    dead
        How many writers died.
    """

    warehouse: Warehouse
    folder: Path
    known: Mapping[str, KnownHistory]
    delivered: Sequence[datetime]
    instants: Sequence[datetime]
    dead: int


def replay(frames: Mapping[str, pl.DataFrame], folder: Path, *, cuts: int, seed: int) -> Replay:
    """Store a seeded history of deliveries, freezing copies on the way.

    Parameters
    ----------
    frames
        Honest rows by table (``h4``, ``daily``, ``macro``).
    folder
        An empty folder for the warehouse and the frozen copies.
    cuts
        At how many instants it is to be read.
    seed
        Of deliveries and instants.
    """
    from pipeline.market.deliveries import deliveries
    from pipeline.market.two_clocks import KnownHistory

    clock = _Clock()
    warehouse = Warehouse(folder / "scratch.duckdb", now=clock.now, chunk_rows=CHUNK_ROWS)
    warehouse.migrate()
    told = deliveries(frames, seed=seed)
    delivered = [delivery.at for delivery in told]
    instants = _instants(told, cuts, seed)
    wanted = {bisect_right(delivered, at) for at in instants}
    known = {name: KnownHistory(TABLES[name].key) for name in frames}
    dead = 0
    for number, delivery in enumerate(told, start=1):
        dead += not _store(warehouse, clock, delivery, known[delivery.table])
        if number in wanted:
            _freeze(warehouse, frames, folder, number)
    clock.looks_left = None
    return Replay(warehouse, folder, known, delivered, instants, dead)


def compare(replayed: Replay) -> Proof:
    """Read at every instant on both clocks, and compare with the truth cell by cell."""
    from pipeline.market.two_clocks import differing_cells

    proof = Proof(cuts=len(replayed.instants), deliveries=len(replayed.delivered), dead=replayed.dead)
    _count(replayed.warehouse, replayed.known, proof)
    for at in replayed.instants:
        number = bisect_right(replayed.delivered, at)
        for name, known in replayed.known.items():
            table = TABLES[name]
            truths = {"known_at": known.as_of(at), "recorded_at": _frozen(replayed.folder, number, name)}
            for instant, truth in truths.items():
                read = replayed.warehouse.as_of(table, at, recorded=instant == "recorded_at")
                cells, wrong, places = differing_cells(truth, read, table.key)
                proof.cells += cells
                proof.differences += wrong
                where = {"clock": instant, "at": at, "table": table.full_name}
                proof.places += [where | place for place in places]
    del proof.places[20:]
    return proof


def _store(warehouse: Warehouse, clock: _Clock, delivery: Delivery, known: KnownHistory) -> bool:
    """Bring a delivery in through the product's own door; say whether its writer lived."""
    import polars as pl

    clock.at, clock.looks_left = delivery.at, 2 if delivery.dies else None
    how: dict[str, Any] = {
        "market": _Replayed(delivery.rows),
        "warehouse": warehouse,
        "now": delivery.at,
        "manifest": Manifest(asset=delivery.table),
    }
    try:
        if delivery.table == "macro":
            update_macro(_ALWAYS, **how)
        else:
            update_bars(delivery.table, _ALWAYS, **how)  # ty: ignore[invalid-argument-type]
    except _WriterDiedError:
        return False
    rows = delivery.rows.with_columns(feed=pl.lit(FEED))
    if delivery.table == "macro":
        dated = pl.col("vintage") == "as_published"
        known.deliver(rows.filter(~dated), delivery.at)
        known.deliver(rows.filter(dated), delivery.at, dated=True)
    else:
        known.deliver(rows, delivery.at)
    return True


def _instants(told: Sequence[Delivery], cuts: int, seed: int) -> list[datetime]:
    """Return instants anywhere in the replay, half of them on a delivery or a microsecond before one.

    Where a writer died is among them, for what it left shows at no other time.
    """
    from pipeline.seeds import stream

    rng = stream(seed, "instants")
    first, span = told[0].at, told[-1].at - told[0].at
    anywhere = [first + span * float(share) for share in rng.random(cuts - cuts // 2)]
    deaths = [delivery.at for delivery in told if delivery.dies][: cuts // 2]
    chosen = [told[i].at for i in rng.integers(0, len(told), cuts // 2 - len(deaths))]
    return sorted([*anywhere, *deaths, *(at - MOMENT * (i % 2) for i, at in enumerate(chosen))])


def _freeze(warehouse: Warehouse, names: Mapping[str, object], folder: Path, number: int) -> None:
    """Write what the warehouse shows at this moment, worked out from its bare rows, into files."""
    import polars as pl

    for name in names:
        table = TABLES[name]
        with warehouse.read() as cursor:
            rows = cursor.execute(f"SELECT * FROM {table.full_name}").pl()
            whole = cursor.execute("SELECT DISTINCT write_id FROM meta.manifests").pl()["write_id"]
        seen = rows.filter(pl.col("write_id").is_null() | pl.col("write_id").is_in(whole.implode()))
        newest = seen.group_by(table.key).agg(pl.exclude(table.key).sort_by("known_at", "recorded_at").last())
        newest.sort(table.key).drop("recorded_at", "write_id").write_parquet(_copy(folder, number, name))


def _frozen(folder: Path, number: int, name: str) -> pl.DataFrame:
    import polars as pl

    if number == 0:
        from warehouse.frames import schema

        return pl.DataFrame(schema=schema(TABLES[name]))
    return pl.read_parquet(_copy(folder, number, name))


def _copy(folder: Path, number: int, name: str) -> Path:
    return folder / f"{number:06d}_{name}.parquet"


def _count(warehouse: Warehouse, names: Mapping[str, object], proof: Proof) -> None:
    for name in names:
        table = TABLES[name]
        versions = warehouse.versions(table).height
        proof.versions += versions
        proof.superseded += versions - warehouse.as_of(table).height
    proof.quarantined = sum(warehouse.query("quarantined", feed=FEED)["rows"].to_list())
