"""Days and raw blocks of files: what is read, what is refused and why, and where a later history begins."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.chain.days import BLOCK_SCHEMA, PRICE_SCHEMA, empty
from pipeline.chain.metrics import derive
from pipeline.errors import SchemaError, SourceError
from resources.chain.files import FilesChain
from resources.home import ROOT
from resources.market.mapping import ChainColumns, ChainFiles, FilesMapping
from resources.market.settings import read_settings

EARLY, NOW = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
COLUMNS = {"time": "date", "price_usd": "p", "block_count": "n", "fees_btc": "f"}
HEADER = "date,p,n,f\n"
ROWS = ("2020-01-01,100,144,1\n", "2020-01-02,101,145,1\n", "2020-01-03,102,146,1\n")


class Nothing:
    """Nothing stored."""

    def hashes(self):
        return set()


def files_of(folder, text=None, **days):
    if text is not None:
        (folder / "days.csv").write_text(text)
        days = {"path": "days.csv", "columns": COLUMNS} | days
    mapping = {"days": days} if text is not None else {"blocks": {"path": "*.raw"}}
    return FilesChain(ChainFiles.model_validate(mapping), folder, "files")


def told(folder, *rows, **days):
    source = files_of(folder, HEADER + "".join(rows), **days)
    return source.days(EARLY, NOW, now=NOW, prices=empty(PRICE_SCHEMA)).frame


def test_days_come_in_order_and_once_however_they_stand_in_the_file(tmp_path):
    days = told(tmp_path, ROWS[2], ROWS[0], ROWS[1], ROWS[0])
    assert days["ts"].dt.day().to_list() == [1, 2, 3]
    assert days["block_count"].to_list() == [144, 145, 146]


def test_an_empty_cell_is_unknown(tmp_path):
    assert told(tmp_path, ROWS[0], "2020-01-02,,145,\n")["price_usd"].to_list() == [100.0, None]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2020-01-02,a lot,145,1\n", "days.csv: p"),
        ("2020-01-02,101,145,n/a\n", "days.csv: f"),
        ("someday,101,145,1\n", "days.csv: date"),
        (",101,145,1\n", "days.csv: date"),
        ("2020-01-02,-101,145,1\n", "price_usd.*above 0"),
        ("2020-01-02,0,145,1\n", "price_usd.*above 0"),
        ("2020-01-02,inf,145,1\n", "price_usd.*above 0"),
        ("2020-01-02,101,145,-1\n", "fees_btc.*from 0"),
        ("2020-01-02,101,-145,1\n", "block_count.*whole number"),
        ("2020-01-02,101,144.5,1\n", "block_count.*whole number"),
        ("2020-01-02,101,1e12,1\n", "block_count.*whole number"),
        ("2020-01-01,999,144,1\n", "comes twice.*2020-01-01"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_file_column_and_day(tmp_path, row, says):
    with pytest.raises(SourceError, match=says) as caught:
        told(tmp_path, ROWS[0], row, ROWS[2])
    assert caught.value.fix is not None
    assert caught.value.exit_code == 2


def test_a_column_that_the_mapping_names_and_the_file_lacks_is_an_error(tmp_path):
    with pytest.raises(SchemaError, match="a column is missing"):
        told(tmp_path, *ROWS, columns=COLUMNS | {"mvrv": "m"})


def test_heights_of_a_file_that_begins_later_are_counted_only_from_a_named_one(tmp_path):
    unknown = files_of(tmp_path, HEADER + "".join(ROWS))
    named = files_of(tmp_path, HEADER + "".join(ROWS), height_before=610_690)
    days = named.days(EARLY, NOW, now=NOW, prices=empty(PRICE_SCHEMA)).frame
    guessed, counted = derive(days, unknown.origin), derive(days, named.origin)
    assert guessed["height_source"].to_list() == ["schedule"] * 3
    assert guessed["height"].to_list()[0] == pytest.approx(610_834, abs=1000), (
        "not 143, as if nothing was before"
    )
    assert counted["height"].to_list() == [610_834, 610_979, 611_125]
    assert counted["height_source"].to_list() == ["chain"] * 3


def blocks_of(folder, now=NOW):
    (piece,) = files_of(folder).blocks(Nothing(), now=now)
    return piece


def test_what_is_no_block_is_a_finding_that_names_the_file(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"")
    (tmp_path / "b.raw").write_bytes(b"\x00" * 80)
    (tmp_path / "c.raw").write_bytes(b"<html>not found</html>" * 9)
    piece = blocks_of(tmp_path)
    assert piece.frame.schema == dict(BLOCK_SCHEMA)
    assert piece.frame.is_empty()
    assert [(f.rule, f.severity, f.symbol) for f in piece.findings] == [
        ("unreadable", "error", name) for name in ("a.raw", "b.raw", "c.raw")
    ]


@pytest.mark.realdata
@pytest.mark.parametrize("place", [70, 81, 4000, -5])
def test_a_block_with_one_damaged_byte_is_not_taken(tmp_path, real_data, place):
    whole = min((real_data / "blocks").glob("*.raw")).read_bytes()
    damaged = bytearray(whole)
    damaged[place] ^= 0x40
    Path(tmp_path / "damaged.raw").write_bytes(damaged)
    Path(tmp_path / "whole.raw").write_bytes(whole)
    Path(tmp_path / "again.raw").write_bytes(whole)
    piece = blocks_of(tmp_path)
    assert {finding.symbol for finding in piece.findings} == {"damaged.raw"}
    assert piece.frame["height"].unique().to_list() == [277_647]


@pytest.mark.realdata
def test_a_block_is_there_only_when_its_lag_has_passed(tmp_path, real_data):
    raw = min((real_data / "blocks").glob("*.raw")).read_bytes()
    (tmp_path / "a.raw").write_bytes(raw)
    at = datetime(2013, 12, 30, 1, 31, 42, tzinfo=UTC)
    assert blocks_of(tmp_path, at - timedelta(seconds=1)).frame.is_empty()
    assert blocks_of(tmp_path).frame["known_at"].to_list() == [at + timedelta(minutes=120)]


@pytest.mark.parametrize("stamp", ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000000000Z"])
def test_a_day_may_be_written_as_the_publishers_of_metrics_write_it(tmp_path, stamp):
    assert told(tmp_path, f"{stamp},100,144,1\n")["ts"].to_list() == [datetime(2020, 1, 1, tzinfo=UTC)]


def test_the_page_of_the_chain_lists_every_column_that_a_file_may_have_and_those_of_coin_metrics():
    page = (ROOT / "docs" / "chain.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (?:`(\w+)`)? ?\|$", page, flags=re.MULTILINE))
    assert set(rows) >= set(ChainColumns.model_fields)
    ready = read_settings(ROOT / "configs/sources/coinmetrics.yaml", FilesMapping, root=ROOT)
    named = {ours: theirs for ours, theirs in ready.chain.days.columns if theirs is not None}
    assert named == {ours: theirs for ours, theirs in rows.items() if theirs and ours != "realized_cap_usd"}
