"""Command lines that a person gets wrong: exit 1, the option by name, nothing touched."""
# ruff: noqa: E501 - one damage per line reads best

from tests.damage.case import Case

# kind, command, code, words
LINES = (
    ("command unknown", ("rnu",), 1, "rnu"),
    ("command unknown", ("data", "fetch"), 1, "fetch"),
    ("command incomplete", ("backtest",), 1, "[Mm]issing command"),
    ("option unknown", ("run", "--sourc", "files"), 1, "--sourc"),
    ("option unknown", ("data", "status", "--all", "--json"), 1, "--all"),
    ("option without value", ("data", "update", "--start"), 1, "--start"),
    ("argument missing", ("backtest", "compare", "latest", "--json"), 1, "RUN_ID|SECOND"),
    ("argument missing", ("data", "export", "--json"), 1, "--to"),
    ("argument too many", ("snapshot", "now", "--json"), 1, "now|unexpected"),
    ("date wrong", ("data", "update", "--start", "2022-02-30", "--json"), 1, "not a date"),
    ("date wrong", ("backtest", "run", "--start", "yesterday", "--json"), 1, "not a date"),
    ("date wrong", ("run", "--from", "2022-13", "--json"), 1, "not a date"),
    ("date without zone", ("backtest", "run", "--end", "2022-02-01T12:00", "--json"), 1, "not a date"),
    ("date out of reach", ("run", "--from", "1999-01", "--json"), 1, "no such month"),
    ("date out of reach", ("run", "--from", "2999-01", "--json"), 1, "no such month"),
    ("window empty", ("backtest", "run", "--start", "2022-02-01", "--end", "2022-01-01", "--json"), 1, "window is empty"),
    ("window outside the data", ("data", "update", "--start", "2030-01", "--json"), 2, "nothing in this window"),
    ("symbol unknown", ("data", "update", "--symbols", "DOGE/USD", "--json"), 1, "DOGE/USD"),
    ("symbol unknown", ("data", "update", "--symbols", " , ", "--json"), 1, "no symbol"),
    ("source unknown", ("data", "update", "--source", "bloomberg", "--json"), 1, "bloomberg"),
    ("strategy unknown", ("backtest", "run", "--strategy", "EquityTrnd", "--json"), 1, "EquityTrend"),
    ("run unknown", ("backtest", "show", "nonesuch", "--json"), 2, "no backtest is stored"),
    ("feed unknown", ("data", "validate", "--feed", "nothing", "--json"), 2, "no bars of the feed nothing"),
    ("format unknown", ("data", "export", "--to", "{room}/out", "--format", "xlsx", "--json"), 1, "no such format"),
    ("target is a file", ("data", "export", "--to", "{room}/bars/btc.parquet", "--json"), 1, "target is a file"),
    ("target cannot be written", ("data", "export", "--to", "/proc/nothing/out", "--json"), 4, "/proc/nothing"),
    ("target cannot be written", ("snapshot", "--to", "/proc/nothing/copy.duckdb", "--json"), 4, "/proc/nothing"),
    ("text is no UTF-8", ("data", "status", "--feed", "\udcff", "--json"), 1, "UTF-8"),
)  # fmt: skip

CASES = [
    Case(
        kind,
        "bells " + " ".join(command).removesuffix(" --json").encode("ascii", "replace").decode(),
        code=code,
        words=words,
        command=command,
    )
    for kind, command, code, words in LINES
]
