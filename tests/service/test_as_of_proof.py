"""The proof of ``as_of`` holds on an honest store, and names the cell where a store is not honest."""

import json
import shutil

import polars as pl
import pytest

from pipeline.market.bars import conform_macro
from pipeline.market.deliveries import deliveries
from service.as_of_proof import compare, replay
from service.cli.main import invoke
from tests.support.bars_folder import START, bars_of

ROWS = 240


def published():
    """Return two monthly series, known two weeks after their month."""
    ts = pl.datetime_range(START, START.replace(month=5), "1mo", time_zone="UTC", eager=True)
    one = pl.DataFrame({"ts": ts.dt.cast_time_unit("us")}).with_columns(
        value=pl.int_range(pl.len()) + 50.0,
        unit=pl.lit("index"),
        source=pl.lit("test"),
        vintage=pl.lit("as_published"),
        simulated=pl.lit(value=False),
        known_at=pl.col("ts").dt.offset_by("1mo2w"),
    )
    return conform_macro(pl.concat([one.with_columns(series=pl.lit(name)) for name in ("CPI", "PMI")]))


def honest():
    h4 = pl.concat([bars_of(symbol, "h4", 1).head(ROWS) for symbol in ("BTC/USD", "SPY")])
    return {"h4": h4, "daily": bars_of("SPY", "daily", 1).head(40), "macro": published()}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    made = replay(honest(), tmp_path_factory.mktemp("replayed"), cuts=16, seed=3)
    shutil.copy(made.warehouse.path, made.folder / "untouched")
    return made


@pytest.fixture
def harmed(replayed):
    """Run a statement on the stored rows, compare, and put the file back."""

    def after(statement):
        with replayed.warehouse.write() as cursor:
            cursor.execute(statement)
        return compare(replayed)

    yield after
    shutil.copy(replayed.folder / "untouched", replayed.warehouse.path)


def test_an_honest_store_differs_in_no_cell_of_late_replaced_revised_and_torn_rows(replayed):
    proof = compare(replayed)
    assert (proof.differences, proof.places) == (0, [])
    assert proof.cuts == 16
    assert proof.cells > 10_000
    assert proof.dead == 1
    assert min(proof.superseded, proof.quarantined) > 5


NEWEST = (
    "(symbol, ts, recorded_at) = (SELECT (symbol, ts, recorded_at) FROM market.ohlcv_h4"
    " WHERE write_id IS NULL ORDER BY known_at, symbol LIMIT 1)"
)


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        (f"UPDATE market.ohlcv_h4 SET close = close * 1.0000001 WHERE {NEWEST}", "close"),
        (f"UPDATE market.ohlcv_h4 SET state = 'provisional' WHERE {NEWEST} AND state = 'final'", "state"),
        (f"DELETE FROM market.ohlcv_h4 WHERE {NEWEST}", None),
    ],
)
def test_one_stored_cell_that_is_not_what_it_was_is_named(harmed, statement, column):
    proof = harmed(statement)
    assert proof.differences > 0
    assert {place["clock"] for place in proof.places} == {"known_at", "recorded_at"}
    assert {(place["table"], place["column"]) for place in proof.places} == {("market.ohlcv_h4", column)}
    assert len({(place["row"]["symbol"], place["row"]["ts"]) for place in proof.places}) == 1


def test_a_version_recorded_too_early_is_noticed_on_that_clock_alone(harmed):
    proof = harmed("UPDATE market.macro SET recorded_at = '2000-01-01 00:00:00+00'::TIMESTAMPTZ")
    assert proof.differences > 0
    assert {place["clock"] for place in proof.places} == {"recorded_at"}


def test_an_unfinished_write_that_shows_is_noticed(harmed):
    proof = harmed(
        "UPDATE market.ohlcv_h4 SET write_id = NULL WHERE write_id NOT IN"
        " (SELECT write_id FROM meta.manifests WHERE write_id IS NOT NULL)"
    )
    assert proof.differences > 0


def test_deliveries_hold_every_kind_of_trouble_and_are_the_same_for_the_same_seed():
    told = deliveries(honest(), seed=3)
    again = deliveries(honest(), seed=3)
    assert [d.at for d in told] == [d.at for d in again]
    assert all(a.rows.equals(b.rows) for a, b in zip(told, again, strict=True))
    h4 = pl.concat([d.rows for d in told if d.table == "h4"])
    assert set(h4["state"]) == {"final", "provisional", "imputed"}
    assert set(h4["adjustment"]) == {"raw", "split"}
    macro = pl.concat([d.rows for d in told if d.table == "macro"])
    assert macro.group_by("series", "ts").agg(pl.col("known_at").n_unique())["known_at"].max() > 1
    assert all((d.rows["known_at"] <= d.at).all() for d in told)


def test_the_command_answers_with_cuts_cells_and_differences(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EIGHTBELLS_HOME", str(tmp_path / "home"))
    code = invoke(["verify", "as-of", "--cuts", "3", "--rows", "60", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (code, answer["ok"], answer["cuts"], answer["differences"]) == (0, True, 3, 0)
    assert answer["cells"] > 0
    assert not (tmp_path / "home" / "warehouse.duckdb").exists()


def test_the_command_refuses_with_5_when_a_cell_differs(tmp_path, monkeypatch, capsys):
    from service import as_of_proof

    def dishonest(replayed):
        with replayed.warehouse.write() as cursor:
            cursor.execute("UPDATE market.ohlcv_daily SET volume = volume + 1")
        return compare(replayed)

    monkeypatch.setenv("EIGHTBELLS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(as_of_proof, "compare", dishonest)
    code = invoke(["verify", "as-of", "--cuts", "2", "--rows", "60", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (code, answer["ok"]) == (5, False)
    assert answer["places"][0]["column"] == "volume"
