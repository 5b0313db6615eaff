"""Poisoned data behind the whole chain of assets: what each fault does, and how it is met.

A fault alters what a source has before the rules see it (``raw``), what an adapter hands over although it
breaks a rule (``handed``), or the house itself (``home``: a lock, a torn write, a clock).
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from resources.clock import SimulatedClock
from resources.desk import Desk
from resources.market.checked import checked_bars, expected_bars
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping
from resources.market.port import Fetched, Timeframe, Window
from tests.damage.inputs import changes as do
from tests.support.desk import NOW, START, Damaged, desk_at, materialize

OHLC = do.OHLC
Rows = pl.DataFrame
BTC, SPY, QQQ = "BTC/USD", "SPY", "QQQ"


@dataclass(frozen=True)
class Fault:
    """A fault and the check or error that must stop it.

    Parameters
    ----------
    name
        What went wrong.
    by
        Name of the failing check, or of the error.
    raw, handed
        Alters bars of a timeframe before, or after, the rules of the source.
    home
        Alters the desk on which a clean run has already been made; a context that undoes itself.
    """

    name: str
    by: str
    raw: Callable[[Timeframe, Rows], Rows] | None = None
    handed: Callable[[Timeframe, Rows], Rows] | None = None
    home: Callable[[Desk, Path], Any] | None = None


def of(symbol: str, timeframe: Timeframe, change: do.Change) -> Callable[[Timeframe, Rows], Rows]:
    """Alter the bars of one symbol and timeframe."""

    def altered(given: Timeframe, rows: Rows) -> Rows:
        if given != timeframe:
            return rows
        mine = rows.filter(pl.col("symbol") == symbol).sort("ts")
        changed = change(mine, np.random.default_rng(5)).select(rows.columns).cast(dict(rows.schema))
        return pl.concat([rows.filter(pl.col("symbol") != symbol), changed]).sort("symbol", "ts")

    return altered


def _some(change: dict[str, pl.Expr], every: int = 10) -> do.Change:
    """Alter every so manieth row."""
    hit = do.ROW % every == every // 2
    return lambda rows, _rng: rows.with_columns(
        pl.when(hit).then(e).otherwise(name).alias(name) for name, e in change.items()
    )


def _copied(timeframe: Timeframe, rows: Rows) -> Rows:
    if timeframe != "h4":
        return rows
    spy = rows.filter(pl.col("symbol") == SPY).with_columns(symbol=pl.lit(QQQ))
    return pl.concat([rows.filter(pl.col("symbol") != QQQ), spy]).sort("symbol", "ts")


def _twice(desk: Desk, _place: Path) -> Any:
    with desk.warehouse.write() as cursor:
        cursor.execute("INSERT INTO market.ohlcv_h4 SELECT * FROM market.ohlcv_h4 LIMIT 3")
    return nullcontext(desk)


def _clock_back(desk: Desk, _place: Path) -> Any:
    return nullcontext(replace(desk, clock=SimulatedClock(NOW - timedelta(days=12))))


@contextmanager
def _locked(desk: Desk, place: Path) -> Iterator[Desk]:
    impatient = desk_at(place, NOW, {"system.warehouse.timeout_s": 0.2})
    with desk.warehouse.path.with_name(desk.warehouse.path.name + ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield replace(impatient, market=desk.market)


def _of_files(desk: Desk, place: Path, write: Callable[[Path], object]) -> Any:
    """Read BTC/USD from a folder instead of the sample world."""
    folder = place / "bars"
    folder.mkdir()
    write(folder / "btc.parquet")
    entry = {"path": "btc.parquet", "symbol": BTC, "timeframe": "4h", "stamp": "open"}
    instruments = desk.loaded.settings.instruments
    source = FilesSource(FilesMapping.model_validate({"entries": [entry]}), folder, instruments)
    source.__dict__["history"] = Window(START)
    return nullcontext(replace(desk, market=source))


def _other_schema(path: Path) -> None:
    pl.DataFrame({"timestamp": [START], "o": [1.0], "h": [1.0], "l": [1.0], "c": [1.0]}).write_parquet(path)


def _torn(desk: Desk, _place: Path) -> Any:
    """Leave the rows of an unfinished write, as a kill between two chunks does, with prices of nobody."""
    with desk.warehouse.write() as cursor:
        cursor.execute(
            "INSERT INTO market.ohlcv_h4 SELECT * REPLACE (close * 3 AS close, high * 3 AS high, "
            "'torn' AS write_id, recorded_at + INTERVAL 1 MINUTE AS recorded_at) FROM market.ohlcv_h4"
        )
    return nullcontext(desk)


FAULTS = (
    Fault("gap", "no_gaps", raw=of(BTC, "h4", do.dropped(90))),
    Fault("NaN", "no_gaps", raw=of(BTC, "h4", _some({"close": pl.lit(float("nan"))}, 4))),
    Fault("crossed", "no_gaps", raw=of(BTC, "h4", _some({"high": pl.col("low"), "low": pl.col("high")}, 4))),
    Fault("unit change", "plausible", raw=of(BTC, "h4", do.scaled(100.0, None))),
    Fault("split not applied", "plausible", raw=of(SPY, "h4", do.scaled(0.5, None, volume=2.0))),
    Fault("split not applied to days", "plausible", raw=of(SPY, "daily", do.scaled(0.5, None, volume=2.0))),
    Fault("swapped volume", "plausible", raw=of(BTC, "h4", do.quote_volume(30))),
    Fault("straight line", "plausible", raw=of(BTC, "h4", do.straight(16))),
    Fault("filled forward", "plausible", raw=of(BTC, "h4", do.filled(6, 0.0))),
    Fault("frozen", "plausible", raw=of(QQQ, "h4", do.frozen(8))),
    Fault("bad tick", "plausible", raw=of(BTC, "h4", do.spiked(1.9, "close"))),
    Fault("bad extreme", "plausible", raw=of(SPY, "daily", do.spiked(6.0, "high"))),
    Fault(
        "old data under new dates",
        "plausible",
        raw=of(BTC, "h4", do.stretch(30, lambda rows, at: [pl.col(c).shift(120) for c in (*OHLC, "volume")])),
    ),
    Fault("one file under two names", "plausible", raw=_copied),
    Fault(
        "dates shifted by the zone",
        "plausible",
        raw=of(
            SPY,
            "daily",
            lambda rows, _rng: rows.with_columns(
                pl.col("ts", "open_at", "close_at", "known_at") + timedelta(days=1)
            ),
        ),
    ),
    Fault(
        "stale",
        "fresh",
        raw=lambda t, rows: rows.filter((pl.col("symbol") != BTC) | (pl.col("ts") < NOW - timedelta(days=4))),
    ),
    Fault(
        "future timestamp",
        "plausible",
        handed=of(
            BTC,
            "h4",
            lambda rows, _rng: rows.with_columns(
                known_at=pl.when(do.ROW == 9).then(NOW + timedelta(hours=5)).otherwise("known_at")
            ),
        ),
    ),
    Fault("known too early", "known_in_time", handed=of(BTC, "h4", _some({"known_at": pl.col("ts")}))),
    Fault(
        "daily bar known at its date",
        "known_in_time",
        handed=of(SPY, "daily", lambda rows, _rng: rows.with_columns(known_at="ts")),
    ),
    Fault("infinite price", "no_nan", handed=of(BTC, "h4", _some({"high": pl.lit(float("inf"))}))),
    Fault(
        "range broken by the adapter",
        "ohlc_order",
        handed=of(BTC, "h4", _some({"high": pl.col("low") * 0.5})),
    ),
    Fault("duplicate", "no_duplicates", home=_twice),
    Fault("clock back", "plausible", home=_clock_back),
    Fault("lock", "WarehouseBusyError", home=_locked),
    Fault("half-written partition", "hidden", home=_torn),
    Fault("missing file", "SourceError", home=lambda desk, place: _of_files(desk, place, lambda path: None)),
    Fault("schema change", "SourceError", home=lambda desk, place: _of_files(desk, place, _other_schema)),
)


@dataclass
class Poisoned(Damaged):
    """A source whose bars are altered before its own rules judge them."""

    raw: Callable[[Timeframe, Rows], Rows] = lambda timeframe, rows: rows
    instruments_of: Any = None

    def bars(self, timeframe: Timeframe, start: Any, end: Any, *, now: Any) -> Fetched:
        clean = self.source.bars(timeframe, start, end, now=now)
        window = Window(max(start, self.history.start), end)
        expected = {
            symbol: expected_bars(self.instruments_of[symbol], timeframe, window, now=now)
            for symbol in clean.frame["symbol"].unique().sort()
        }
        return checked_bars(self.raw(timeframe, clean.frame), timeframe=timeframe, expected=expected, now=now)


def drill(fault: Fault, desk: Desk, place: Path) -> str:
    """Run bars and features on the poisoned desk; return an empty text where the fault was stopped."""
    instance = dg.DagsterInstance.ephemeral()
    if fault.home is None:
        source = _poisoned(fault, desk)
        return _verdict(fault, materialize(replace(desk, market=source), instance))
    if not materialize(desk, instance).success:
        return "the clean run was blocked"
    clean = desk.warehouse.as_of(_h4())
    with fault.home(desk, place) as poisoned:
        result = materialize(poisoned, dg.DagsterInstance.ephemeral())
    if fault.by == "hidden":
        same = desk.warehouse.as_of(_h4()).equals(clean)
        return "" if same and result.success else "the torn rows are seen"
    return _verdict(fault, result)


def _poisoned(fault: Fault, desk: Desk) -> Damaged:
    if fault.raw is not None:
        return Poisoned(desk.market, raw=fault.raw, instruments_of=desk.loaded.settings.instruments)
    handed = fault.handed
    assert handed is not None
    return Damaged(desk.market, alter_bars=lambda timeframe, f: replace(f, frame=handed(timeframe, f.frame)))


def _verdict(fault: Fault, result: dg.ExecuteInProcessResult) -> str:
    ran = {event.step_key for event in result.get_step_success_events()}
    failed = {
        e.check_name
        for e in result.get_asset_check_evaluations()
        if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR
    }
    errors = " ".join(str(e.event_specific_data) for e in result.all_node_events if e.is_step_failure)
    if "features__h4" in ran or result.success:
        return f"features were computed; failed checks: {sorted(failed)}"
    return "" if fault.by in failed or fault.by in errors else f"stopped by {sorted(failed)}: {errors[:300]}"


def _h4() -> Any:
    from warehouse.tables import OHLCV_H4

    return OHLCV_H4
