"""A small desk that a case may damage: a root with ``configs``, a folder of bars, a home with a warehouse.

It is built once and copied for every case; nothing outside the copy is touched.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import polars as pl

from pipeline.calendar.sessions import expected_daily

CODE = Path(__file__).parents[2]
START, END = datetime(2022, 1, 1, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC)
BAR = "feed, symbol, ts, open_at, close_at, open, high, low, close, volume, covered_minutes, known_at"
READ = {
    "market.ohlcv_h4": BAR,
    "market.ohlcv_daily": BAR,
    "market.macro": "feed, series, ts, value, known_at",
}
"""What a decision could read."""

MAPPING = """\
feed: files
base: here
history: {start: 2022-01-01, end: 2022-03-01}
entries:
  - path: btc.parquet
    symbol: BTC/USD
    timeframe: 4h
    stamp: open
    to: [h4, daily]
  - path: spy_1h.csv
    symbol: SPY
    timeframe: 1h
    stamp: open
    covers: session
  - path: spy_daily.parquet
    symbol: SPY
    timeframe: 1d
    stamp: session_date
    columns: {time: date}
    adjustment: split
series:
  - path: macro.csv
    series:
      DGS10: {unit: fraction, scale: 0.01, release: fred_daily}
"""


@dataclass(frozen=True, eq=False)
class Room:
    """The copy that one case damages.

    Parameters
    ----------
    path
        Folder that holds it all.
    environ
        Variables that a case sets on top; an empty text unsets one.
    """

    path: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.path / "project"

    @property
    def folder(self) -> Path:
        return self.path / "bars"

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def mapping(self) -> Path:
        return self.folder / "source.yaml"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def btc(self) -> Path:
        return self.folder / "btc.parquet"

    @property
    def hours(self) -> Path:
        return self.folder / "spy_1h.csv"

    @property
    def days(self) -> Path:
        return self.folder / "spy_daily.parquet"

    @property
    def macro(self) -> Path:
        return self.folder / "macro.csv"

    def config(self, section: str) -> Path:
        return self.root / "configs" / "base" / f"{section}.yaml"

    def variables(self) -> dict[str, str]:
        """Every variable that the desk looks at, the case's own last."""
        chosen = {
            "EIGHTBELLS_HOME": str(self.home),
            "EIGHTBELLS_SOURCE": "files",
            "EIGHTBELLS_SYSTEM__FILES_MAPPING": str(self.mapping),
            "EIGHTBELLS_SYSTEM__WAREHOUSE__TIMEOUT_S": "0.4",
            "DAGSTER_HOME": str(self.home / "dagster"),
            **self.environ,
        }
        return {name: text for name, text in chosen.items() if text}

    @contextmanager
    def here(self) -> Iterator[None]:
        """Make this process one that works in the room."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("EIGHTBELLS_")}
        inside = {**kept, **self.variables()}
        with patch.dict(os.environ, inside, clear=True), patch("resources.desk.ROOT", self.root):
            yield

    def replace(self, path: Path, old: str, new: str) -> None:
        """Replace a text that must stand there exactly once."""
        text = path.read_text(encoding="utf-8")
        once = text.count(old) == 1 or (path.stem == "strategies" and old in text)  # there: the first one
        assert once, f"{old!r} stands {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def bars(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Rewrite the coin's file."""
        change(pl.read_parquet(self.btc)).write_parquet(self.btc)

    def daily(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Rewrite the daily file."""
        change(pl.read_parquet(self.days)).write_parquet(self.days)

    def lines(self, change: Callable[[list[str]], list[str]]) -> None:
        """Rewrite the hourly text file."""
        self.hours.write_text("\n".join(change(self.hours.read_text().splitlines())) + "\n")

    def seen(self) -> tuple[dict[str, pl.DataFrame], set[str]]:
        """What a decision could read now, without when it was stored, and the rules that quarantine names."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            rows = {
                name: connection.execute(f"SELECT {what} FROM {name}_now ORDER BY ALL").pl()
                for name, what in READ.items()
            }
            rules = connection.execute("SELECT DISTINCT rule FROM market.quarantine").fetchall()
        return rows, {rule for (rule,) in rules}

    def mark(self) -> str | None:
        """Hash of the warehouse as it lies on disk: the file, or what stands in its place."""
        if self.warehouse.is_file():
            return sha256(self.warehouse.read_bytes()).hexdigest()
        return "folder" if self.warehouse.is_dir() else None


def build(path: Path, answer: Callable[[Room, tuple[str, ...]], int]) -> Room:
    """Make a sound room: configs as shipped, files without a fault, a warehouse that holds them."""
    room = Room(path)
    shutil.copytree(CODE / "configs", room.root / "configs")
    room.folder.mkdir(parents=True)
    room.mapping.write_text(MAPPING, encoding="utf-8")
    _write_files(room)
    assert answer(room, ("data", "update", "--json")) == 0
    return room


@contextmanager
def copied(template: Room) -> Iterator[Room]:
    """Yield a copy that is gone afterwards, whatever its rights have become."""
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        path = Path(folder) / "room"
        shutil.copytree(template.path, path, symlinks=True)
        yield Room(path)
        for place, _, _ in os.walk(path):
            Path(place).chmod(0o700)


def _write_files(room: Room) -> None:
    stamps = pl.datetime_range(START, END, "4h", closed="left", time_unit="us", time_zone="UTC", eager=True)
    walk("BTC", stamps.len()).select(stamps.alias("timestamp"), pl.all()).write_parquet(room.btc)
    sessions = expected_daily("XNYS", START, END)["ts"]
    walk("SPY", sessions.len()).select(sessions.dt.date().alias("date"), pl.all()).write_parquet(room.days)
    hours = (
        sessions.to_frame("day")
        .select(
            pl.datetime_ranges(
                pl.col("day") + pl.duration(hours=14), pl.col("day") + pl.duration(hours=20), "1h"
            ).alias("hours")
        )["hours"]
        .explode()
    )
    text = hours.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("timestamp")
    walk("SPY hours", hours.len()).select(text, pl.all()).write_csv(room.hours)
    rates = pl.Series("DGS10", 1.5 + 0.01 * np.arange(sessions.len()))
    pl.DataFrame([sessions.dt.date().alias("date"), rates]).write_csv(room.macro)


def walk(purpose: str, n: int) -> pl.DataFrame:
    """Honest prices of ``n`` bars, the same for the same purpose."""
    rng = np.random.default_rng(list(purpose.encode()))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0005, 0.004, n)))
    opened = np.concatenate(([100.0], close[:-1]))
    return pl.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
            "volume": rng.uniform(10.0, 20.0, n),
        }
    )


def unlike(before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame]) -> list[str]:
    """Names of the tables that a decision would now read differently."""
    return [name for name in before if not before[name].equals(after[name])]
