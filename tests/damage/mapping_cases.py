"""Damaged source mappings: ``configs/sources/*.yaml``, those of a folder and the sample world's own."""
# ruff: noqa: E501 - one damage per line reads best

from tests.damage.case import Case
from tests.damage.room import Room


def _edit(old: str, new: str):
    return lambda room: room.replace(room.mapping, old, new)


def _loop(room: Room) -> None:
    room.mapping.unlink()
    room.mapping.symlink_to(room.mapping.name)


def _sample(old: str, new: str):
    return lambda room: room.replace(room.root / "configs" / "sources" / "sample.yaml", old, new)


# kind, name, damage, words
DAMAGES = (
    ("mapping file", "missing", lambda r: r.mapping.unlink(), "source.yaml"),
    ("mapping file", "empty", lambda r: r.mapping.write_text(""), "empty"),
    ("mapping file", "a folder", lambda r: (r.mapping.unlink(), r.mapping.mkdir()), "source.yaml"),
    ("mapping file", "binary", lambda r: r.mapping.write_bytes(b"\xff\xfe\x00" * 99), "UTF-8"),
    ("mapping file", "a link to itself", _loop, "source.yaml"),
    ("mapping file", "no YAML", lambda r: r.mapping.write_text("entries: [{"), "not valid YAML"),
    ("mapping unknown key", "stmp", _edit("stamp: session_date", "stmp: session_date"), "stmp"),
    ("mapping missing key", "stamp", _edit("    stamp: session_date\n", ""), "stamp"),
    ("mapping missing key", "symbol", _edit("    symbol: BTC/USD\n", ""), "symbol"),
    ("mapping word", "timeframe", _edit("timeframe: 4h", "timeframe: 7h"), "timeframe"),
    ("mapping word", "adjustment", _edit("adjustment: split", "adjustment: dividend"), "adjustment"),
    ("mapping word", "release", _edit("release: fred_daily", "release: someday"), "release"),
    ("mapping zone", "Mars", _edit("covers: session", "covers: session\n    zone: Mars/Base"), "no such time zone"),
    ("mapping range", "negative lag", _edit("covers: session", "covers: session\n    lag_minutes: -1"), "lag_minutes"),
    ("mapping window", "empty", _edit("end: 2022-03-01", "end: 2021-03-01"), "empty window"),
    ("mapping window", "no date", _edit("start: 2022-01-01", "start: 2022-13-01"), "date"),
    ("mapping symbol", "without instrument", _edit("symbol: BTC/USD", "symbol: DOGE/USD"), "no instrument"),
    ("mapping contradiction", "H4 from days", _edit("adjustment: split", "adjustment: split\n    to: [h4]"), "H4 out of daily"),
    ("mapping contradiction", "nothing in it", lambda r: r.mapping.write_text("base: here\n"), "empty mapping"),
    ("mapping contradiction", "symbol said twice", _edit("path: btc.parquet", "path: '{symbol}.parquet'"), "2 times"),
)  # fmt: skip

CASES = [
    *(Case(kind, name, damage, words=words) for kind, name, damage, words in DAMAGES),
    Case(
        "mapping path",
        "of a folder that is none",
        environ={"EIGHTBELLS_SYSTEM__FILES_MAPPING": "configs/sources/exmple.yaml"},
        words=r"exmple\.yaml",
    ),
    Case(
        "mapping without data folder",
        "base: data_dir",
        _edit("base: here", "base: data_dir"),
        words="EIGHTBELLS_DATA",
    ),
    *(
        Case(kind, name, damage, words=words, environ={"EIGHTBELLS_SOURCE": "sample"})
        for kind, name, damage, words in (
            ("sample world", "unknown key", _sample("seed: 8", "sed: 8"), "sed"),
            ("sample world", "negative price", _sample("SPY: {price: 250.0", "SPY: {price: -1"), "price"),
            ("sample world", "GARCH explodes", _sample("beta: 0.96", "beta: 0.99"), "alpha|beta"),
            (
                "sample world",
                "weights where none belong",
                _sample("next: null", "next: {any: {calm: 1}}"),
                "two states",
            ),
        )
    ),
]
