"""The whole real folder through ``bells data update``: how fast, what a second time writes, and is it right.

Each mapping is a process of its own in one passing home, as a person runs it.  What must come out is stated
here, from the folder's SOURCES.md and the definitions, not from our output.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, machine

DESK = "configs/sources/example.yaml"
OTHERS = (
    "configs/sources/btc_hourly.yaml",
    "configs/sources/bitfinex_minutes.yaml",
    "configs/sources/hourly_2024.yaml",
)
FOUR_HOURS = timedelta(hours=4)

OUTAGES = tuple(
    datetime(*day, hour, tzinfo=UTC)
    for day, hours in (
        ((2018, 2, 8), (4, 8, 12, 16, 20)),  # maintenance from 00:30 of the 8th to 10:00 of the 9th
        ((2018, 2, 9), (0, 4)),
        ((2018, 6, 26), (4, 8)),  # 02:00 to 12:00
        ((2018, 7, 4), (4,)),  # 00:30 to 08:00
        ((2018, 11, 14), (4,)),  # 02:00 to 08:00
        ((2019, 3, 12), (4,)),  # 02:00 to 08:00
        ((2019, 5, 15), (4, 8)),  # 03:00 to 13:00
        ((2019, 8, 15), (4,)),  # 02:00 to 10:00
        ((2020, 2, 19), (12,)),  # 11:30 to 17:00
    )
    for hour in hours
)
"""Labels of the sixteen H4 bars that Binance's eight outages took; SOURCES.md has the days and the counts."""
LACKING_VIX = (date(1991, 3, 1), date(1997, 1, 31), date(1997, 11, 26), date(1999, 12, 31))
"""Sessions that Cboe's own file leaves out."""
ASIDE = {("VIX", "ohlc_order"): 47, ("VIX", "outside_session"): 6}
"""Rows of the desk's feed that must be set aside, and no others.  SOURCES.md also names one of HUBB; the file
of this folder has no HUBB."""
STRADDLERS = {("SPY", "straddle"): 335, ("QQQ", "straddle"): 335}
SESSIONS = {
    "2024-07-01": [150, 240],
    "2024-01-03": [90, 240, 60],
    "2024-11-29": [90, 120],
    "2024-07-03": [150, 60],
}
"""Minutes of the H4 bars of a session, from the definitions, section 1."""


@dataclass
class Home:
    """A home of its own, and the commands that run in it."""

    folder: Path
    data: Path
    cpu_s: float = 0.0
    """CPU seconds of the last command, which a busy machine does not stretch."""

    def bells(self, *arguments: str, mapping: str = DESK) -> tuple[dict[str, Any], float, int]:
        """Run a command and return its JSON, its seconds and its exit code."""
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("EIGHTBELLS")},
            "EIGHTBELLS_HOME": str(self.folder),
            "EIGHTBELLS_DATA": str(self.data),
            "EIGHTBELLS_SOURCE": "files",
            "EIGHTBELLS_SYSTEM__FILES_MAPPING": mapping,
        }
        started, cpu = time.perf_counter(), cpu_of_children()
        done = subprocess.run(
            [sys.executable, "-m", "service.cli.main", *arguments, "--json"],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        self.cpu_s = cpu_of_children() - cpu
        return json.loads(done.stdout), time.perf_counter() - started, done.returncode

    def update(self, *mappings: str) -> dict[str, Any]:
        """Update every mapping and return seconds, worst exit code, rows delivered, and rows written."""
        answers = [self.bells("data", "update", mapping=mapping) for mapping in mappings]
        tables = [table for answer, _, _ in answers for table in answer["tables"]]
        return {
            "s": round(sum(seconds for _, seconds, _ in answers), 2),
            "exit": max(code for _, _, code in answers),
            "rows": sum(table["fetched"] for table in tables),
            "written": sum(table["inserted"] + table["revised"] for table in tables),
            "aside": sum(table["quarantined"] for table in tables),
        }

    def content(self) -> str:
        """Return a hash of the warehouse file."""
        return sha256((self.folder / "warehouse.duckdb").read_bytes()).hexdigest()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse file."""
        import duckdb

        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(sql).fetchall()


def cpu_of_children() -> float:
    """Return the CPU seconds of every command that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def allowed(folder: Path) -> str:
    """Write a mapping of the hours of 2024 that takes straddling rows, and return its path."""
    text = (ROOT / "configs/sources/hourly_2024.yaml").read_text(encoding="utf-8")
    path = folder / "hourly_whole.yaml"
    path.write_text(
        text.replace("feed: hourly-2024", "feed: hourly-whole").replace(
            "    covers: session", "    allow_straddle: true\n    covers: session"
        ),
        encoding="utf-8",
    )
    return str(path)


def cells(gaps: list[dict[str, Any]], symbol: str, timeframe: str, step: timedelta) -> set[datetime]:
    """Return the labels of a symbol's gaps of the desk's feed, bar by bar (also where no bar is expected)."""
    found: set[datetime] = set()
    for gap in gaps:
        if (gap["symbol"], gap["timeframe"]) == (symbol, timeframe):
            first, last = (datetime.fromisoformat(gap[name]) for name in ("first", "last"))
            found |= {first + n * step for n in range(int((last - first) / step) + 1)}
    return found


def judged_gaps(status: dict[str, Any], odd_vix: set[date]) -> dict[str, Any]:
    """Compare every reported gap with what is known to be missing."""
    gaps = [gap for gap in status["gaps"] if gap["feed"] == "files"]
    day = timedelta(days=1)
    btc = cells(gaps, "BTC/USD", "h4", FOUR_HOURS)
    vix = {label.date() for label in cells(gaps, "VIX", "daily", day) if label.weekday() < 5}
    equal = {
        "BTC/USD": btc == set(OUTAGES),
        "ETH/USD": cells(gaps, "ETH/USD", "h4", FOUR_HOURS) == {at for at in OUTAGES if at.year >= 2019},
        "BTC/USD daily": cells(gaps, "BTC/USD", "daily", day) == {datetime(2018, 2, 8, tzinfo=UTC)},
        "VIX": vix == odd_vix | set(LACKING_VIX),
    }
    others = {gap["symbol"] for gap in gaps} - {"BTC/USD", "ETH/USD", "VIX"}
    return {
        "gaps": sum(gap["symbol"] == "BTC/USD" and gap["timeframe"] == "h4" for gap in gaps),
        "missing_btc_h4": len(btc),
        "outages_equal": equal["BTC/USD"],
        "other_gaps_unexplained": sum(not holds for holds in equal.values()) + len(others),
    }


def h4_from_1h(home: Home) -> dict[str, Any]:
    """Compare the H4 bars made of hours with those of the 4h file, cell by cell."""
    prices = ("open", "high", "low", "close")
    worst = ", ".join(f"max(abs(a.{p} / b.{p} - 1))" for p in prices)
    both = "(SELECT * FROM market.ohlcv_h4 WHERE feed = '{}' AND symbol = 'BTC/USD')"
    row = home.rows(
        f"SELECT count(*) FILTER (a.ts IS NOT NULL AND b.ts IS NOT NULL), count(*), greatest({worst}),"
        " count(*) FILTER (abs(a.volume / b.volume - 1) > 1e-9),"
        " count(*) FILTER (b.covered_minutes < b.minutes)"
        f" FROM {both.format('files')} a FULL JOIN {both.format('files-1h')} b USING (ts)"
    )[0]
    names = ("compared", "cells", "max_rel_diff", "volume_differs", "partial")
    return {**dict(zip(names, row, strict=True)), "tolerance": 0.0}


def judged_sessions(home: Home) -> list[str]:
    """Return the sessions whose bars are not those of the definitions."""
    wrong = []
    for day, minutes in SESSIONS.items():
        for symbol in ("SPY", "QQQ"):
            found = home.rows(
                "SELECT minutes FROM market.ohlcv_h4 WHERE feed = 'hourly-whole'"
                f" AND symbol = '{symbol}' AND CAST(open_at AS DATE) = DATE '{day}' ORDER BY ts"
            )
            if [row[0] for row in found] != minutes:
                wrong.append(f"{symbol} {day}")
    return wrong


def aside(status: dict[str, Any], feed: str) -> dict[tuple[str, str], int]:
    """Return the rows in quarantine by symbol and rule."""
    return {(row["symbol"], row["rule"]): row["rows"] for row in status["quarantine"] if row["feed"] == feed}


def measure(data: Path) -> dict[str, Any]:
    """Load everything twice and judge what is stored."""
    with tempfile.TemporaryDirectory(prefix="folder-") as scratch:
        home = Home(Path(scratch, "home"), data)
        first, first_cpu = home.update(DESK), home.cpu_s
        after_first = home.content()
        second, second_cpu = home.update(DESK), home.cpu_s
        same_file = home.content() == after_first
        others = home.update(*OTHERS)
        again = home.update(*OTHERS)
        whole = home.update(allowed(Path(scratch)))
        status, status_s, status_exit = home.bells("data", "status")
        validated, validate_s, validate_exit = home.bells("data", "validate")
        odd = home.rows(
            "SELECT CAST(ts AS DATE) FROM market.quarantine WHERE symbol = 'VIX' AND rule = 'ohlc_order'"
        )
        symbols = {row["symbol"] for row in status["series"] if row["timeframe"] != "macro"}
        sessions = judged_sessions(home)
        return {
            "first_s": first["s"],
            "second_s": second["s"],
            "first_cpu_s": round(first_cpu, 2),
            "second_cpu_s": round(second_cpu, 2),
            "second_written": second["written"] + again["written"],
            "file_unchanged": same_file,
            "others_first_s": others["s"],
            "others_second_s": again["s"],
            "worst_exit": max(
                first["exit"], second["exit"], others["exit"], again["exit"], whole["exit"],
                status_exit, validate_exit,
            ),
            "symbols": len(symbols),
            "stocks": len(symbols - {"SPY", "QQQ", "VIX", "BTC/USD", "ETH/USD"}),
            "series": sum(row["timeframe"] == "macro" for row in status["series"]),
            "rows": first["rows"] + others["rows"],
            **judged_gaps(status, {row[0] for row in odd}),
            "h4_from_1h": h4_from_1h(home),
            "sessions": len(SESSIONS),
            "sessions_wrong": len(sessions),
            "sessions_wrong_are": sessions,
            "anomalies_equal": aside(status, "files") == ASIDE and aside(status, "hourly-2024") == STRADDLERS,
            "other_errors": validated["error"],
            "status_s": round(status_s, 2),
            "validate_s": round(validate_s, 2),
            "machine": machine(),
        }  # fmt: skip


def main() -> int:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout (always so)")
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.data.resolve()), default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
