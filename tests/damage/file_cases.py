"""Damaged data files of the ``files`` source: a file that cannot be read is named and the command ends with 2;
a row that breaks a rule goes to quarantine, and what a decision could read stays as it was."""
# ruff: noqa: E501 - one damage per line reads best

import gzip
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tests.damage.case import Case
from tests.damage.room import Room

ROW = pl.int_range(pl.len())
STAMP = pl.col("timestamp")
NAN, INF = float("nan"), float("inf")


def _put(column: str, row: int, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda bars: bars.with_columns(pl.when(row == ROW).then(value).otherwise(column).alias(column))


def _bars(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Room], None]:
    return lambda room: room.bars(change)


def _days(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Room], None]:
    return lambda room: room.daily(change)


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[Room], None]:
    return lambda room: room.lines(change)


def _line(number: int, change: Callable[[str], str]) -> Callable[[Room], None]:
    return _lines(lambda lines: [change(line) if n == number else line for n, line in enumerate(lines)])


def _cell(line: int, cell: int, text: str) -> Callable[[Room], None]:
    def change(whole: str) -> str:
        cells = whole.split(",")
        cells[cell] = text
        return ",".join(cells)

    return _line(line, change)


def _stretched(bars: pl.DataFrame, **changes: pl.Expr) -> pl.DataFrame:
    """Return one row of the coin, changed, to be added to the file."""
    return bars[10:11].with_columns(**changes)


def _added(**changes: pl.Expr) -> Callable[[Room], None]:
    return _bars(lambda bars: pl.concat([bars, _stretched(bars, **changes)]))


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _loop(room: Room) -> None:
    room.btc.unlink()
    room.btc.symlink_to(room.btc.name)


# A file that cannot be used at all: named, exit 2, the other files still count.
UNREADABLE = (
    ("parquet cut", "half of it", lambda r: _half(r.btc), "btc.parquet"),
    ("file empty", "zero bytes", lambda r: r.btc.write_bytes(b""), "btc.parquet"),
    ("file empty", "text of zero bytes", lambda r: r.hours.write_bytes(b""), "spy_1h.csv"),
    ("file empty", "macro of zero bytes", lambda r: r.macro.write_bytes(b""), "macro.csv"),
    ("parquet is none", "words", lambda r: r.btc.write_bytes(b"not a parquet file"), "btc.parquet"),
    ("parquet damaged inside", "zeros", lambda r: r.btc.write_bytes(r.btc.read_bytes()[:40] + b"\0" * 4000), "btc"),
    ("file without rows", "parquet", _bars(lambda b: b.clear()), "no rows"),
    ("file without rows", "only a header", _lines(lambda lines: lines[:1]), "no rows"),
    ("column missing", "high", _bars(lambda b: b.drop("high")), "a column is missing"),
    ("column missing", "the series", lambda r: r.macro.write_text("date,DGS2\n2022-01-03,1.5\n"), "DGS10"),
    ("column missing", "header gone", _lines(lambda lines: lines[1:]), "a column is missing"),
    ("column of another type", "dates as prices", _bars(lambda b: b.with_columns(close="timestamp")), "not hold numbers"),
    ("column of another type", "words as prices", _bars(lambda b: b.with_columns(close=pl.lit("n/a"))), "not hold numbers"),
    ("column of another type", "words as volume", _bars(lambda b: b.with_columns(volume=pl.lit("much"))), "not hold numbers"),
    ("column of another type", "lists as prices", _bars(lambda b: b.with_columns(close=pl.concat_list("close"))), "not hold numbers"),
    ("stamps of another type", "flags", _bars(lambda b: b.with_columns(timestamp=pl.lit(value=True))), "no times"),
    ("stamps of another type", "words", _bars(lambda b: b.with_columns(timestamp=pl.lit("soon"))), "no time"),
    ("stamps of unknown unit", "numbers", _bars(lambda b: b.with_columns(STAMP.dt.epoch("s"))), "unknown unit"),
    ("stamps without zone", "parquet", _bars(lambda b: b.with_columns(STAMP.dt.replace_time_zone(None))), "no time zone"),
    ("stamps without zone", "text", _lines(lambda lines: [line.replace("Z,", ",") for line in lines]), "no time zone"),
    ("text not UTF-8", "Latin-1", lambda r: r.hours.write_bytes(r.hours.read_bytes() + b"2022-02-28T20:00:00Z,1,1,1,1,\xe9\n"), "spy_1h"),
    ("text is binary", "noise", lambda r: r.hours.write_bytes(b"\x00\xff\xfe\x01" * 200), "spy_1h"),
    ("text is packed", "gzip of another table", lambda r: r.hours.write_bytes(gzip.compress(b"a,b\n1,2\n")), "spy_1h"),
    ("text separators", "semicolons", _lines(lambda lines: [line.replace(",", ";") for line in lines]), "a column is missing"),
    ("text separators", "one line has more cells", _line(9, lambda line: line + ",9,9"), "spy_1h"),
    ("file missing", "the coin", lambda r: r.btc.unlink(), "no file matches"),
    ("file missing", "the macro series", lambda r: r.macro.unlink(), "no file matches"),
    ("file is a folder", "the coin", lambda r: (r.btc.unlink(), r.btc.mkdir()), "no file matches"),
    ("file links to itself", "the coin", _loop, "btc.parquet"),
    ("folder empty", "no files", lambda r: [p.unlink() for p in r.folder.iterdir() if p != r.mapping], "no file matches"),
    ("columns of another table", "a,b", lambda r: r.hours.write_text("a,b\n1,2\n"), "a column is missing"),
)  # fmt: skip

# A row that breaks a rule: quarantine names it, the command is done with 0.
SET_ASIDE = (
    ("price not finite", "NaN", _bars(_put("close", 5, NAN)), "not_finite"),
    ("price not finite", "infinite", _bars(_put("high", 5, INF)), "not_finite"),
    ("price not finite", "missing", _bars(_put("open", 5, None)), "not_finite"),
    ("price not finite", "a word in a text file", _cell(7, 4, "oops"), "not_finite"),
    ("price not finite", "a decimal comma", _cell(7, 4, '"100,5"'), "not_finite"),
    ("price not positive", "negative", _bars(_put("low", 5, -1.0)), "non_positive"),
    ("price not positive", "zero", _days(_put("close", 5, 0.0)), "non_positive"),
    ("price out of order", "high below close", _bars(_put("high", 5, 1.0)), "ohlc_order"),
    ("price out of order", "low above open", _days(_put("low", 5, 1e6)), "ohlc_order"),
    ("columns swapped", "high and low", _bars(lambda b: b.rename({"high": "low", "low": "high"})), "ohlc_order"),
    ("columns swapped", "close and volume", _bars(lambda b: b.rename({"close": "volume", "volume": "close"})), "ohlc_order"),
    ("volume wrong", "negative", _bars(_put("volume", 5, -3.0)), "bad_volume"),
    ("volume wrong", "infinite", _bars(_put("volume", 5, INF)), "bad_volume"),
    ("bar twice", "alike", _bars(lambda b: pl.concat([b, b[8:9]])), "duplicate"),
    ("bar twice", "alike days", _days(lambda b: pl.concat([b, b[8:9]])), "duplicate"),
    ("bar twice", "every one", _bars(lambda b: pl.concat([b, b])), "duplicate"),
    ("bar in conflict", "two closes", _added(close=pl.col("close") * 1.0001), "conflict"),
    ("bar in conflict", "two volumes", _added(volume=pl.col("volume") + 1), "conflict"),
    ("bar in conflict", "two values of a series", lambda r: r.macro.write_text(r.macro.read_text() + "2022-01-04,9.9\n"), "conflict"),
    ("stamp off the grid", "an hour late", _bars(lambda b: b.with_columns(timestamp=pl.when(ROW == 9).then(STAMP.dt.offset_by("1h")).otherwise(STAMP))), "straddle"),
    ("stamp off the grid", "seven seconds", _bars(lambda b: b.with_columns(timestamp=pl.when(ROW == 9).then(STAMP.dt.offset_by("7s")).otherwise(STAMP))), "straddle"),
    ("stamp off the grid", "all by two hours", _bars(lambda b: b.with_columns(STAMP.dt.offset_by("2h"))), "straddle"),
    ("stamp missing", "NULL", _bars(_put("timestamp", 5, None)), "missing_value"),
    ("stamp missing", "a word in a text file", _cell(7, 0, "yesterday"), "missing_value"),
    ("stamp missing", "in the year 9999", _cell(7, 0, "9999-01-01T00:00:00Z"), "missing_value"),
    ("stamp missing", "a date that is none", _cell(7, 0, "2022-02-30T15:00:00Z"), "missing_value"),
    ("bar across a cell", "half hours", _cell(3, 0, "2022-01-03T15:30:00Z"), "straddle"),
    ("bar outside the session", "before the open", _cell(1, 0, "2022-01-03T09:00:00Z"), "outside_session"),
    ("bar outside the session", "on a Saturday", _cell(1, 0, "2022-01-08T15:00:00Z"), "outside_session"),
    ("bar outside the session", "a Sunday's day", _days(lambda b: pl.concat([b, b[5:6].with_columns(date=datetime(2022, 1, 9, tzinfo=UTC).date())])), "outside_session"),
    ("bar outside the session", "a holiday's day", _days(lambda b: pl.concat([b, b[5:6].with_columns(date=datetime(2022, 1, 17, tzinfo=UTC).date())])), "outside_session"),
)  # fmt: skip


def _moved(line: str, hours: int) -> str:
    stamp, comma, rest = line.partition(",")
    if not stamp.startswith("2"):
        return line
    there = datetime.fromisoformat(stamp) + timedelta(hours=hours)
    return f"{there:%Y-%m-%dT%H:%M:%SZ}{comma}{rest}"


def _future(room: Room) -> None:
    room.replace(
        room.mapping, "history: {start: 2022-01-01, end: 2022-03-01}", "history: {start: 2022-01-01}"
    )
    late = datetime(2044, 1, 1, tzinfo=UTC)
    room.bars(lambda bars: pl.concat([bars, bars[-1:].with_columns(timestamp=pl.lit(late).cast(bars["timestamp"].dtype))]))  # fmt: skip


# Odd, but no fault: read as it was meant, nothing changes.
HARMLESS = (
    ("order of rows", "reversed", _bars(lambda b: b.reverse()), "non_monotonic|unchanged"),
    ("order of rows", "shuffled", _bars(lambda b: b.sample(fraction=1.0, shuffle=True, seed=3)), "unchanged"),
    ("text marks", "byte order mark", lambda r: r.hours.write_bytes(b"\xef\xbb\xbf" + r.hours.read_bytes()), "unchanged"),
    ("text marks", "Windows line ends", lambda r: r.hours.write_bytes(r.hours.read_bytes().replace(b"\n", b"\r\n")), "unchanged"),
    ("gap", "a week of the coin is gone", _bars(lambda b: pl.concat([b[:100], b[142:]])), '"missing": 42'),
    ("gap", "a tenth of the days is gone", _days(lambda b: b.filter(ROW % 10 != 5)), '"missing": 1'),
    ("columns too many", "foreign ones", _bars(lambda b: b.with_columns(x=1, y=pl.lit("z"))), "unchanged"),
)  # fmt: skip


def _all_moved(room: Room) -> None:
    room.lines(lambda lines: [_moved(line, -5) for line in lines])


def _dearer(room: Room) -> None:
    room.bars(lambda bars: bars.with_columns(pl.col("open", "high", "low", "close") * 100.0))


CASES = [
    *(Case(kind, name, damage, 2, words, keeps="bars") for kind, name, damage, words in UNREADABLE),
    *(
        Case(kind, name, damage, 0, '"ok": true', keeps="bars", rules=(rule,))
        for kind, name, damage, rule in SET_ASIDE
    ),
    *(Case(kind, name, damage, 0, words, keeps="bars") for kind, name, damage, words in HARMLESS),
    # Nobody can tell these from honest corrections: they come in as new versions, and the answer says how many.
    Case("zone shifted", "New York's hours as UTC", _all_moved, 0, '"missing": ', keeps=None, rules=("outside_session",)),
    Case("unit changed", "prices a hundredfold", _dearer, 0, '"revised": 354', keeps=None),
    Case("bar from the future", "in 2044", _future, 0, '"ok": true', keeps="bars", rules=("future",)),
    Case(
        "folder gone",
        "of the data",
        lambda room: (room.replace(room.mapping, "base: here", "base: data_dir"), shutil.rmtree(room.folder / "none", ignore_errors=True)),
        2,
        "folder of the data does not exist",
        keeps="bars",
        environ={"EIGHTBELLS_DATA": "/nonexistent/bars"},
    ),
    Case(
        "nothing to run on",
        "a backtest of another universe",
        code=2,
        words="no H4 bars of|too little|lacks|at least",
        command=("backtest", "run", "--set", "strategies.EquityTrend.universe=[ETH/USD]", "--json"),
        keeps="bars",
    ),
]  # fmt: skip
