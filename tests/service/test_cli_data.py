"""``bells data``: what is fetched, what is missing, what is wrong, and what an export gives back."""

import re
import shutil
from datetime import UTC, datetime

import polars as pl
import pytest

from service.cli.opening import open_for
from tests.support.bars_folder import CALENDARS, END, HOLE
from warehouse.tables import OHLCV_DAILY, OHLCV_H4

TABLES = {"market.ohlcv_h4": "h4", "market.ohlcv_daily": "daily"}


def series(record, symbol, timeframe):
    (found,) = [s for s in record["series"] if (s["symbol"], s["timeframe"]) == (symbol, timeframe)]
    return found


def test_an_update_stores_everything_once_and_reports_the_hole(bells, folder):
    first = bells("data", "update", "--json").json
    files = {
        table: sum(pl.read_parquet(p).height for p in folder.parent.glob(f"{timeframe}_*.parquet"))
        for table, timeframe in TABLES.items()
    }
    assert {t["table"]: t["inserted"] for t in first["tables"] if t["table"] in files} == files
    assert first["gaps"] == [
        {
            "table": "market.ohlcv_h4",
            "symbol": "BTC/USD",
            "first": HOLE[0].isoformat(),
            "last": HOLE[1].isoformat(),
            "missing": 3,
        }
    ]
    again = bells("data", "update", "--json").json
    assert {t["inserted"] + t["revised"] for t in again["tables"]} == {0}
    assert {t["table"]: t["unchanged"] for t in again["tables"] if t["table"] in files} == files


def test_an_update_may_be_narrowed_to_a_window_and_to_symbols(bells):
    answer = bells(
        "data", "update", "--symbols", "SPY, BTC/USD", "--start", "2022-03", "--end", "2022-04", "--json"
    )
    assert answer.code == 0
    assert [t["table"] for t in answer.json["tables"]] == list(TABLES)
    record = bells("data", "status", "--json").json
    assert {s["symbol"] for s in record["series"]} == {"SPY", "BTC/USD"}
    assert series(record, "BTC/USD", "h4")["rows"] == 31 * 6
    assert series(record, "SPY", "daily")["rows"] == 23  # New York was open on 23 days of March 2022


def test_a_window_outside_the_history_is_a_problem_of_data(bells):
    answer = bells("data", "update", "--start", "2030-01", "--json")
    assert answer.code == 2
    assert "2022-01-01 to 2023-07-01" in answer.json["constraint"]


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_stored(
    bells, folder, tmp_path, monkeypatch
):
    copy = shutil.copytree(folder.parent, tmp_path / "damaged")
    path = copy / "h4_QQQ.parquet"
    pl.read_parquet(path).drop("close").write_parquet(path)
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(copy / "source.yaml"))
    answer = bells("data", "update", "--json")
    assert answer.code == 2
    assert not answer.json["ok"]
    (failure,) = answer.json["failures"]
    assert (failure["table"], failure["symbol"]) == ("market.ohlcv_h4", "QQQ")
    assert "h4_QQQ.parquet" in failure["reason"]
    record = bells("data", "status", "--json").json
    assert {(s["symbol"], s["timeframe"]) for s in record["series"]} == {
        (symbol, timeframe) for symbol in CALENDARS for timeframe in TABLES.values()
    } - {("QQQ", "h4")}


def test_a_symbol_that_is_no_instrument_is_a_failure_with_its_reason(bells, folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder.parent, tmp_path / "strange")
    bars = pl.read_parquet(copy / "h4_SPY.parquet").with_columns(symbol=pl.lit("ZZZ"))
    bars.write_parquet(copy / "other_ZZZ.parquet")
    mapping = copy / "source.yaml"
    mapping.write_text(mapping.read_text() + '  - {path: "other_{symbol}.parquet", timeframe: h4}\n')
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(mapping))
    answer = bells("data", "update", "--json")
    (failure,) = answer.json["failures"]
    assert (answer.code, answer.json["ok"], failure["symbol"]) == (2, False, "ZZZ")
    assert "no instrument of that name" in failure["reason"]
    told = bells("data", "update")
    assert (told.code, "no instrument of that name" in told.out) == (2, True)


def test_a_broken_bar_is_set_aside_by_name_and_counted(bells, folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder.parent, tmp_path / "damaged")
    path = copy / "daily_SPY.parquet"
    bars = pl.read_parquet(path)
    fifth = pl.int_range(pl.len()) == 4
    bars.with_columns(low=pl.when(fifth).then(pl.col("high") + 1.0).otherwise("low")).write_parquet(path)
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", str(copy / "source.yaml"))
    answer = bells("data", "update", "--json")
    assert answer.code == 0
    assert {t["table"]: t["quarantined"] for t in answer.json["tables"]}["market.ohlcv_daily"] == 1
    record = bells("data", "status", "--json").json
    spy = series(record, "SPY", "daily")
    assert (spy["rows"], spy["quarantined"], spy["gaps"], spy["missing"]) == (bars.height - 1, 1, 1, 1)
    assert [(q["symbol"], q["rows"]) for q in record["quarantine"]] == [("SPY", 1)]


def test_status_says_first_last_and_gaps_of_every_series(bells, stored):
    record = bells("data", "status", "--json").json
    assert len(record["series"]) == 6
    coin = series(record, "BTC/USD", "h4")
    assert (coin["rows"], coin["gaps"], coin["missing"], coin["quarantined"]) == (546 * 6 - 3, 1, 3, 0)
    assert coin["first"] == "2022-01-01T00:00:00+00:00"
    assert coin["known_to"] == END.isoformat()
    assert all(s["gaps"] == 0 for s in record["series"] if s is not coin)
    assert [g["missing"] for g in record["gaps"]] == [3]


def test_people_see_the_same_series_as_a_table_that_no_pipe_cuts(bells, stored):
    answer = bells("data", "status")
    assert answer.code == 0
    assert "BTC/USD" in answer.out
    assert "2022-05-10 08:00" in answer.out
    assert "…" not in answer.out


def test_honest_rows_pass_validation_and_an_empty_feed_does_not(bells, stored):
    answer = bells("data", "validate", "--json")
    assert answer.code == 0
    assert (answer.json["error"], answer.json["warn"]) == (0, 1)
    assert bells("data", "validate", "--feed", "nothing", "--json").code == 2


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        (OHLCV_DAILY, "known_at = ts", "known_before_wall_clock"),
        (OHLCV_H4, "known_at = open_at", "known_before_wall_clock"),
        (OHLCV_H4, "close = 2 * high", "ohlc_order"),
    ],
)
def test_a_stored_row_that_lies_is_found_with_exit_2(bells, stored, table, change, rule):
    with open_for(None).warehouse.write() as cursor:
        cursor.execute(
            f"UPDATE {table.full_name} SET {change} WHERE symbol = 'SPY'"
            " AND ts >= '2022-06-06 00:00:00+00' AND ts < '2022-06-09 00:00:00+00'"
        )
    answer = bells("data", "validate", "--json")
    assert answer.code == 2
    errors = [f for f in answer.json["findings"] if f["severity"] == "error"]
    assert {(f["symbol"], f["dataset"]) for f in errors} == {("SPY", table.full_name)}
    told = bells("data", "validate").out
    assert "+00:00" not in told
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", told)
    (found,) = [f for f in errors if f["rule"] == rule]
    assert found["count"] == {OHLCV_H4: 6, OHLCV_DAILY: 3}[table]  # two cells hold the closes of a session
    assert found["ts"].startswith("2022-06-06")


def test_an_export_is_a_source_that_gives_the_same_bars(bells, stored, tmp_path, monkeypatch):
    answer = bells("data", "export", "--to", tmp_path / "out", "--json")
    assert answer.code == 0
    assert max(answer.json["files"]) == "source.yaml"
    before = open_for(None).warehouse.as_of(OHLCV_H4)
    monkeypatch.setenv("EIGHTBELLS_HOME", str(tmp_path / "second"))
    monkeypatch.setenv("EIGHTBELLS_SYSTEM__FILES_MAPPING", answer.json["mapping"])
    assert bells("data", "update", "--json").code == 0
    after = open_for(None).warehouse.as_of(OHLCV_H4)
    assert after["feed"].unique().to_list() == ["out"]  # another folder is another feed
    assert after.drop("feed").equals(before.drop("feed"))


def test_an_export_onto_a_file_or_of_nothing_is_refused(bells, stored, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert bells("data", "export", "--to", tmp_path / "taken", "--json").code == 1
    assert (tmp_path / "taken").read_text() == "mine"
    assert bells("data", "export", "--to", tmp_path / "new", "--feed", "nothing", "--json").code == 2


def test_a_snapshot_is_a_copy_that_duckdb_reads_and_old_ones_go(bells, stored):
    import duckdb

    answers = [bells("snapshot", "--json").json for _ in range(5)]
    kept = sorted((stored / "snapshots").glob("*.duckdb"))
    assert [str(path) for path in kept] == [a["snapshot"] for a in answers[-3:]]
    with duckdb.connect(str(kept[-1]), read_only=True) as copy:
        (rows,) = copy.execute("SELECT count(*) FROM market.ohlcv_h4").fetchone()
    assert rows == open_for(None).warehouse.as_of(OHLCV_H4, columns=("ts",)).height


@pytest.mark.realdata
def test_the_real_coin_misses_the_sixteen_bars_that_are_known_to_be_missing(bells, real_data, monkeypatch):
    monkeypatch.delenv("EIGHTBELLS_SYSTEM__FILES_MAPPING")
    monkeypatch.setenv("EIGHTBELLS_DATA", str(real_data))
    assert bells("data", "update", "--symbols", "BTC/USD", "--json").code == 0
    coin = series(bells("data", "status", "--json").json, "BTC/USD", "h4")
    assert (coin["missing"], coin["gaps"]) == (16, 8)
    assert datetime.fromisoformat(coin["first"]) >= datetime(2017, 8, 17, tzinfo=UTC)
