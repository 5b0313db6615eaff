"""All damaged inputs: each kind with the files it fits and the places its seed draws."""
# ruff: noqa: E501 - one damage per line reads best

import shutil
import zlib
from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.damage.inputs import changes as do
from tests.damage.inputs.case import Change, Input

NAN, INF = float("nan"), float("inf")
HOUR = timedelta(hours=1)
CRYPTO, STOCKS = ("btc", "eth"), ("spy", "qqq")
PRICED = (*CRYPTO, *STOCKS)


def _swap(a: str, b: str) -> Change:
    return lambda rows, _rng: rows.rename({a: b, b: a}).select(rows.columns)


# kind, name, files, change, rules
ROWS = (
    ("price not finite", "NaN close", (*PRICED, "vix"), do.put("close", NAN), "not_finite gap"),
    ("price not finite", "infinite high", (*PRICED, "hours"), do.put("high", INF), "not_finite"),
    ("price missing", "no open", (*PRICED, "ours"), do.put("open", None), "not_finite gap"),
    ("price zero", "low", (*PRICED, "ours"), do.put("low", 0.0), "non_positive gap"),
    ("price negative", "close", (*PRICED, "hours"), do.put("close", -1.0), "non_positive"),
    ("range too narrow", "high below close", (*PRICED, "vix"), do.put("high", 1.0), "ohlc_order gap"),
    ("range too narrow", "low above open", (*CRYPTO, "ours"), do.put("low", 1e9), "ohlc_order gap"),
    ("range crossed", "high and low swapped", (*PRICED, "vix"), _swap("high", "low"), "ohlc_order nothing_left"),
    ("columns swapped", "close and volume", PRICED, _swap("close", "volume"), "ohlc_order"),
    ("volume negative", "one row", (*PRICED, "hours"), do.put("volume", -3.0), "bad_volume"),
    ("volume infinite", "one row", PRICED, do.put("volume", INF), "bad_volume gap"),
    ("row twice", "alike", (*PRICED, "hours", "ours", "rates"), do.again, "duplicate"),
    ("row in conflict", "two values", (*PRICED, "hours", "ours", "rates"), do.again_otherwise, "conflict"),
    ("stamp off the grid", "an hour late", CRYPTO, do.moved(HOUR), "straddle gap"),
    ("stamp off the grid", "seven seconds", CRYPTO, do.moved(timedelta(seconds=7)), "straddle gap"),
    ("stamp off the grid", "our column", ("ours",), do.moved(timedelta(minutes=1)), "off_grid gap"),
    ("stamp missing", "NULL", (*CRYPTO, "hours"), do.put("timestamp", None), "missing_value"),
    ("date missing", "NULL", (*STOCKS, "vix"), do.put("date", None), "missing_value gap"),
    ("row from the future", "by years", ("ours",), do.put("ts", pl.datetime(2043, 1, 4, time_zone="UTC")), "gap"),
    ("gap", "one row", (*PRICED, "vix"), do.dropped(1), "gap"),
    ("gap", "three rows", (*PRICED, "vix"), do.dropped(3), "gap"),
    ("gap long", "forty rows", PRICED, do.dropped(40), "gap"),
    ("order reversed", "newest first", (*PRICED, "hours", "ours"), do.reversed_order, "non_monotonic"),
    ("order broken", "two rows change places", (*PRICED, "ours"), do.two_swapped, "non_monotonic"),
    ("straight line", "interpolated", (*PRICED, "vix"), do.straight(16), "straight_line"),
    ("straight line", "five rows", PRICED, do.straight(5), "straight_line"),
    ("straight line rounded", "to cents", ("btc", *STOCKS), do.straight(10, 2), "straight_line"),
    ("filled forward", "without volume", (*PRICED, "ours"), do.filled(6, 0.0), "filled"),
    ("filled forward", "volume repeated", PRICED, do.filled(6, None), "filled"),
    ("filled forward", "an index", ("vix",), do.filled(6, None), "filled"),
    ("frozen", "eight rows", (*PRICED, "ours"), do.frozen(8), "frozen"),
    ("frozen", "an index", ("vix",), do.frozen(8), "frozen"),
    ("nothing traded", "twelve rows", PRICED, do.no_volume(12), "zero_volume"),
    ("split not applied", "2 for 1", PRICED, do.scaled(1 / 2, None, volume=2.0), "split_jump"),
    ("split not applied", "3 for 1", PRICED, do.scaled(1 / 3, None, volume=3.0), "split_jump"),
    ("split not applied", "3 for 2", ("spy", "btc"), do.scaled(2 / 3, None, volume=1.5), "split_jump"),
    ("split not applied", "20 for 1", PRICED, do.scaled(1 / 20, None, volume=20.0), "split_jump"),
    ("reverse split not applied", "1 for 4", PRICED, do.scaled(4.0, None, volume=0.25), "split_jump"),
    ("reverse split not applied", "1 for 8", STOCKS, do.scaled(8.0, None, volume=0.125), "split_jump"),
    ("split applied in part", "a hundred rows", PRICED, do.scaled(0.5, 100, volume=2.0), "split_jump"),
    ("unit changed", "cents", (*PRICED, "vix"), do.scaled(100.0, None), "unit_change"),
    ("unit changed", "thousands", PRICED, do.scaled(0.001, None), "unit_change"),
    ("unit changed and back", "tenfold, 12 rows", PRICED, do.scaled(10.0, 12), "unit_change"),
    ("unit changed and back", "one row", (*PRICED, "ours"), do.scaled(100.0, 1), "unit_change"),
    ("currency changed", "factor 7.3", PRICED, do.scaled(7.3, None), "jump overnight_gap"),
    ("gap in price", "60 % up overnight", PRICED, do.scaled(1.6, None), "overnight_gap"),
    ("bad tick", "close doubled", (*PRICED, "ours"), do.spiked(1.9, "close"), "spike"),
    ("bad tick", "close at a third", PRICED, do.spiked(0.35, "close"), "spike"),
    ("bad extreme", "high fivefold", (*PRICED, "vix"), do.spiked(5.0, "high"), "wick"),
    ("bad extreme", "low at a tenth", PRICED, do.spiked(0.1, "low"), "wick"),
    ("volume in the quote currency", "forty rows", ("btc",), do.quote_volume(40), "swapped_volume"),
    ("volume in the quote currency", "five rows", ("btc",), do.quote_volume(5), "swapped_volume"),
    ("last year's data", "forty rows", CRYPTO, do.last_year(40, 2000), "repeated_history"),
    ("last year's data", "a month", STOCKS, do.last_year(21, 252), "repeated_history"),
    ("last week's data", "two days", CRYPTO, do.last_year(12, 42), "repeated_history"),
    ("zone slipped", "hours, one later", ("hours",), do.moved(HOUR, whole=True), "zone_slip outside_session"),
    ("zone slipped", "hours, five earlier", ("hours",), do.moved(-5 * HOUR, whole=True), "zone_slip outside_session"),
    ("zone slipped", "cells, two hours", CRYPTO, do.moved(2 * HOUR, whole=True), "straddle nothing_left"),
    ("dates slipped", "a day later", (*STOCKS, "vix"), do.moved(HOUR, whole=True, days=1), "zone_slip outside_session"),
    ("dates slipped", "a day earlier", (*STOCKS, "vix"), do.moved(HOUR, whole=True, days=-1), "zone_slip outside_session"),
    ("closes missing", "five in a hundred", PRICED, do.blanked(0.05), "not_finite blank_share"),
    ("row on a day off", "Saturday", (*STOCKS, "vix"), do.on_day(6), "outside_session"),
    ("row on a day off", "Sunday", STOCKS, do.on_day(7), "outside_session"),
    ("constant series", "one price", PRICED, lambda rows, _rng: rows.with_columns(pl.lit(7.0).alias(c) for c in do.OHLC), "constant_prices"),
    ("hardly any rows", "three", (*PRICED, "hours"), lambda rows, _rng: rows[:3], "too_few_rows"),
    ("known too early", "at its label", ("ours",), lambda rows, _rng: rows.with_columns(known_at="ts"), "known_too_early nothing_left"),
    ("known too early", "a second", ("ours",), do.put("known_at", pl.col("close_at") - timedelta(seconds=1)), "known_too_early gap"),
    ("times in the wrong order", "opens at its close", ("ours",), do.put("open_at", pl.col("close_at")), "time_order gap"),
    ("bar outside its cell", "closes a minute late", ("ours",), do.put("close_at", pl.col("close_at") + timedelta(minutes=1)), "known_too_early gap"),
    ("bar of another length", "closes a day late", ("ours",), lambda rows, _rng: rows.with_columns(pl.col("close_at", "known_at") + timedelta(days=1)), "wrong_cell nothing_left"),
    ("rate in another unit", "fractions from a day on", ("rates",), do.scaled(0.01, None, ("DGS10",)), "unit_change"),
    ("rate in another unit", "fractions for a month", ("rates",), do.scaled(0.01, 30, ("DGS10",)), "unit_change"),
    ("rate no fraction", "basis points", ("rates",), lambda rows, _rng: rows.with_columns(pl.col("DGS10") * 100), "out_of_unit"),
    ("rate on a straight line", "twenty values", ("rates",), lambda rows, _rng: rows.with_columns(DGS10=pl.when(do.ROW.is_between(60, 90)).then(2.0 + 0.013 * do.ROW).otherwise("DGS10")), "straight_line"),
    ("rate not finite", "infinite", ("rates",), do.put("DGS10", INF), "not_finite"),
)  # fmt: skip


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _noise(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    path.write_bytes(bytes(whole))


# kind, name, files, change, bytes, words; the update ends with 2
REFUSED = (
    ("file missing", "deleted", ("btc", "spy", "rates"), None, Path.unlink, "no file matches"),
    ("file cut", "half of it", ("btc", "spy", "hours", "rates"), None, _half, "cannot be read"),
    ("file empty", "no bytes", ("btc", "spy"), None, lambda p: p.write_bytes(b""), "cannot be read"),
    ("file damaged inside", "zeros", ("btc", "spy"), None, _noise, "cannot be read"),
    ("file without rows", "none left", (*PRICED, "rates"), lambda rows, _rng: rows.clear(), None, "no rows"),
    ("schema changed", "close renamed", PRICED, lambda rows, _rng: rows.rename({"close": "Close"}), None, "a column is missing"),
    ("schema changed", "volume gone", ("btc", "spy"), lambda rows, _rng: rows.drop("volume"), None, "a column is missing"),
    ("schema changed", "the series gone", ("rates",), lambda rows, _rng: rows.rename({"DGS10": "DGS2"}), None, "a column is missing"),
    ("type changed", "prices as words", ("btc", "spy"), lambda rows, _rng: rows.with_columns(close=pl.lit("n/a")), None, "not hold numbers"),
    ("type changed", "stamps as flags", ("btc",), lambda rows, _rng: rows.with_columns(timestamp=pl.lit(value=True)), None, "no times"),
    ("stamps without unit", "numbers", CRYPTO, lambda rows, _rng: rows.with_columns(pl.col("timestamp").dt.epoch("s")), None, "unknown unit"),
    ("stamps without zone", "naive", (*CRYPTO, "hours"), lambda rows, _rng: rows.with_columns(pl.col("timestamp").dt.replace_time_zone(None)), None, "no time zone"),
)  # fmt: skip


def _cases() -> list[Input]:
    cases = [
        Input(kind, f"{name}, {file}", file, change, frozenset(rules.split()))
        for kind, name, files, change, rules in ROWS
        for file in files
    ]
    cases += [
        Input(
            kind,
            f"{name}, {file}",
            file,
            change or (lambda rows, _rng: rows),
            code=2,
            words=words,
            bytewise=bytewise,
        )
        for kind, name, files, change, bytewise, words in REFUSED
        for file in files
    ]
    cases += [
        Input(
            "one file under two names",
            f"{a} holds {b}",
            a,
            bytewise=lambda path, b=b: shutil.copy(path.with_name(f"{b}.parquet"), path),
            rules=frozenset({"copied_symbol"}),
            beside=(b,),
        )
        for a, b in (("eth", "btc"), ("qqq", "spy"))
    ]
    cases += [
        Input(
            "less than is stored",
            "an hour of each session gone",
            "hours",
            lambda rows, _rng: rows.filter(pl.col("timestamp").dt.hour() != 16),
            frozenset({"less_complete"}),
            before=True,
        ),
        Input(
            "symbol unknown",
            "no like",
            "long",
            rules=frozenset({"failure"}),
            code=2,
            words="no instrument",
            entry={"like": None},
        ),
    ]
    return cases


def all_cases(seed: int = 0) -> list[Input]:
    """Return every case; another seed draws other places."""
    from dataclasses import replace

    return [replace(case, seed=zlib.crc32(f"{seed} {case.id}".encode())) for case in _cases()]
