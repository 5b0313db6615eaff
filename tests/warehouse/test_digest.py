"""The bytes of digests: pinned, and built a second time here with struct and hashlib alone."""

import hashlib
import json
import struct
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.digest import digest_frame, leaves
from warehouse.table import Column, Table, key_column
from warehouse.tables import MIGRATIONS, OHLCV_H4

EVERY_TYPE = Table(
    schema="test",
    name="every_type",
    description="One column of each type.",
    columns=(
        key_column("name", "VARCHAR", "text", "Key."),
        key_column("ts", "TIMESTAMPTZ", "UTC", "Key."),
        Column("flag", "BOOLEAN", "flag", "Value."),
        Column("small", "INTEGER", "count", "Value."),
        Column("large", "BIGINT", "count", "Value."),
        Column("number", "DOUBLE", "USD", "Value."),
        Column("day", "DATE", "UTC", "Value."),
        Column("money", "DECIMAL(18,8)", "USD", "Value."),
        Column("notional", "DECIMAL(28,8)", "USD", "Value."),
        Column("returns", "FLOAT[]", "fraction", "Value."),
        Column("origin", "VARCHAR", "text", "Bookkeeping.", compared=False),
    ),
    key=("name", "ts"),
    time="ts",
    block=("name",),
)
DTYPES = {
    "name": pl.String, "ts": pl.Datetime("us", "UTC"), "flag": pl.Boolean, "small": pl.Int32,
    "large": pl.Int64, "number": pl.Float64, "day": pl.Date, "money": pl.Decimal(18, 8),
    "notional": pl.Decimal(28, 8), "returns": pl.List(pl.Float32), "origin": pl.String,
    "known_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROWS = [
    {
        "name": "BTC/USD", "ts": datetime(2024, 2, 29, 20, tzinfo=UTC), "flag": True, "small": -1,
        "large": 2**40, "number": 1.5, "day": date(2024, 2, 29), "money": Decimal("1.00000001"),
        "notional": Decimal("-12345678901234567890.5"), "returns": [0.25, None, -0.0], "origin": "a",
        "known_at": datetime(2024, 3, 1, tzinfo=UTC),
    },
    {
        "name": "BTC/USD", "ts": datetime(2024, 3, 1, tzinfo=UTC), "flag": None, "small": None,
        "large": None, "number": None, "day": None, "money": None, "notional": None, "returns": None,
        "origin": None, "known_at": datetime(2024, 3, 1, 4, tzinfo=UTC),
    },
    {
        "name": "Zürich", "ts": datetime(2024, 3, 1, tzinfo=UTC), "flag": False, "small": 0, "large": 0,
        "number": -0.0, "day": date(1969, 12, 31), "money": Decimal(0), "notional": Decimal(0),
        "returns": [], "origin": "b", "known_at": datetime(2024, 3, 1, 4, tzinfo=UTC),
    },
]  # fmt: skip
PINNED = "ea8320b7af29383253595122a2db5ea492c60206e99b08db757e9b5f6d3c3c05"


def frame(rows=ROWS):
    return pl.DataFrame(rows, schema=DTYPES, orient="row")


# A second implementation of the layout in the docstring of warehouse/digest.py: slow, row by row.


def bits(known):
    out = bytearray((len(known) + 7) // 8)
    for n, value in enumerate(known):
        out[n // 8] |= value << (n % 8)
    return bytes(out)


def cell(kind, value):  # noqa: PLR0911 - one return for each type
    if kind == "BOOLEAN":
        return struct.pack("<?", value or False)
    if kind == "INTEGER":
        return struct.pack("<i", value or 0)
    if kind == "BIGINT":
        return struct.pack("<q", value or 0)
    if kind == "DATE":
        return struct.pack("<i", 0 if value is None else (value - EPOCH.date()).days)
    if kind == "TIMESTAMPTZ":
        past = (value or EPOCH) - EPOCH
        return struct.pack("<q", (past.days * 86_400 + past.seconds) * 10**6 + past.microseconds)
    if kind == "DOUBLE":
        return struct.pack("<d", value or 0.0)
    if kind == "FLOAT":
        return struct.pack("<f", value or 0.0)
    return int((value or Decimal(0)).scaleb(8)).to_bytes(16, "little", signed=True)


def cells(kind, values):
    values = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    out = bits([value is not None for value in values])
    if kind == "VARCHAR":
        texts = [(value or "").encode() for value in values]
        ends = [sum(map(len, texts[:n])) for n in range(len(texts) + 1)]
        return out + struct.pack(f"<{len(ends)}q", *ends) + b"".join(texts)
    if kind == "FLOAT[]":
        lists = [value or [] for value in values]
        ends = [sum(map(len, lists[:n])) for n in range(len(lists) + 1)]
        return out + struct.pack(f"<{len(ends)}q", *ends) + cells("FLOAT", [v for li in lists for v in li])
    return out + b"".join(cell(kind, value) for value in values)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(prefix, children):
    ordered = sorted((name.encode(), digest) for name, digest in children.items())
    return sha(prefix, *(struct.pack("<I", len(n)) + n + d for n, d in ordered))


def second_opinion(table, rows):
    parts = defaultdict(list)
    for row in rows:
        month = "1970-01" if table.time is None else f"{row[table.time]:%Y-%m}"
        block = json.dumps([row[b] for b in table.block], ensure_ascii=False, separators=(",", ":"))
        parts[month, block].append(row)
    months = defaultdict(dict)
    for (month, block), members in parts.items():
        members.sort(key=lambda row: [row[k] for k in (*table.key, "known_at") if k in row])
        columns = [
            sha(
                b"eightbells column 1\n",
                f"{c.name} {c.type}\n".encode(),
                struct.pack("<Q", len(members)),
                cells(c.type, [row[c.name] for row in members]),
            )
            for c in table.digested
        ]
        months[month][block] = sha(b"eightbells leaf 1\n", *columns)
    nodes = {month: node(b"eightbells month 1\n", blocks) for month, blocks in months.items()}
    return node(f"eightbells table 1\n{table.full_name}\n".encode(), nodes).hex()


@pytest.mark.contract
def test_the_digest_of_every_type_is_pinned():
    assert digest_frame(EVERY_TYPE, frame()) == PINNED


@pytest.mark.contract
def test_the_digest_of_a_table_without_time_is_pinned():
    found = digest_frame(MIGRATIONS, pl.DataFrame({"number": [1], "title": ["first"]}))
    assert found == "6f7c15d1a4c145447c48da190ac8ba29e1ec791ad8acc9a9b844937c26c77bc2"


@pytest.mark.contract
def test_the_digest_of_no_rows_is_pinned():
    assert (
        digest_frame(MIGRATIONS, pl.DataFrame({"number": [], "title": []}))
        == hashlib.sha256(b"eightbells table 1\nmeta.migrations\n").hexdigest()
    )


def test_a_second_implementation_agrees():
    assert digest_frame(EVERY_TYPE, frame()) == second_opinion(EVERY_TYPE, ROWS)


floats = st.one_of(st.none(), st.floats(width=32))
records = st.fixed_dictionaries(
    {
        "name": st.text(max_size=3),
        "ts": st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "flag": st.one_of(st.none(), st.booleans()),
        "small": st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
        "large": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "number": st.one_of(st.none(), st.floats()),
        "day": st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
        "money": st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=8)),
        "notional": st.one_of(st.none(), st.decimals(-(10**19), 10**19, places=8)),
        "returns": st.one_of(st.none(), st.lists(floats, max_size=3)),
        "origin": st.none(),
        "known_at": st.just(EPOCH),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=12, unique_by=lambda r: (r["name"], r["ts"])), st.randoms())
def test_a_second_implementation_agrees_on_anything_in_any_order(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert digest_frame(EVERY_TYPE, frame(shuffled)) == second_opinion(EVERY_TYPE, rows)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "BTC/EUR"), ("flag", False), ("small", 1), ("large", 1), ("number", 1.5000000000000002),
        ("day", date(2024, 3, 1)), ("money", Decimal("1.00000002")), ("notional", Decimal(0)),
        ("returns", [0.25, None]), ("known_at", datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("number", None), ("ts", datetime(2024, 2, 29, 16, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_any_change_of_any_value_changes_the_digest(column, value):
    changed = [{**ROWS[0], column: value}, *ROWS[1:]]
    assert digest_frame(EVERY_TYPE, frame(changed)) != digest_frame(EVERY_TYPE, frame())


def test_bookkeeping_negative_zero_and_nan_do_not_change_the_digest():
    changed = [
        {**ROWS[0], "origin": "elsewhere"},
        {**ROWS[1], "number": float("nan")},
        {**ROWS[2], "number": 0.0},
    ]
    assert digest_frame(EVERY_TYPE, frame(changed)) == digest_frame(EVERY_TYPE, frame())


def test_unknown_and_zero_differ_and_so_do_unknown_and_empty():
    unknown = [{**ROWS[2], "number": None}, {**ROWS[2], "returns": None}]
    digests = {digest_frame(EVERY_TYPE, frame([row])) for row in (ROWS[2], *unknown)}
    assert len(digests) == 3


def test_text_cannot_slide_from_one_row_to_the_next():
    def two(a, b):
        return digest_frame(MIGRATIONS, pl.DataFrame({"number": [1, 2], "title": [a, b]}))

    assert two("ab", "c") != two("a", "bc")


def test_a_row_of_one_month_and_symbol_touches_that_leaf_alone(bars):
    both = pl.concat([bars(n=400), bars("QQQ", n=400)])
    last = (pl.col("symbol") == "QQQ") & (pl.col("ts") == pl.col("ts").max())
    changed = both.with_columns(close=pl.when(last).then(0.5).otherwise("close"))
    one, other = leaves(OHLCV_H4, both), leaves(OHLCV_H4, changed)
    assert [i.month for i in one] == ["2024-01"] * 2 + ["2024-02"] * 2 + ["2024-03"] * 2
    assert [i for i in one if one[i] != other[i]] == [(2024 * 12 + 2, '["sample","QQQ"]')]
