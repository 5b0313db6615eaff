"""Splits and dividends on their way from a source to the warehouse, and on to prices as known then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.manifests import manifest_for
from assets.market.actions import update_actions
from assets.market.history import read_history
from pipeline.errors import SourceError
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.adjustment import split_adjusted
from pipeline.market.findings import Finding, Severity
from resources.market.port import Fetched
from tests.support.bars_folder import END, bars_of
from tests.support.desk import NOW, START, damaged, materialize
from warehouse.tables import CORPORATE_ACTIONS, OHLCV_H4

EX = datetime(2019, 2, 5, tzinfo=UTC)
OPEN = datetime(2019, 2, 5, 14, 30, tzinfo=UTC)
KEY = "market/corporate_actions"


def split(
    value: float = 4.0, *, known_at: datetime = OPEN, declared_at: datetime | None = None
) -> pl.DataFrame:
    return pl.DataFrame(
        [("SPY", EX, "split", value, None, declared_at, "test", True, known_at)],
        schema=dict(ACTION_SCHEMA),
        orient="row",
    )


def telling(desk, frame: pl.DataFrame):
    return damaged(desk, alter_actions=lambda fetched: replace(fetched, frame=frame))


def update(desk, **how):
    manifest = manifest_for(CORPORATE_ACTIONS, desk.loaded, desk.clock.now())
    return update_actions(
        (START, NOW),
        market=desk.market,
        warehouse=desk.warehouse,
        now=desk.clock.now(),
        manifest=manifest,
        **how,
    )


def stored(desk, at: datetime | None = None) -> pl.DataFrame:
    return desk.warehouse.as_of(CORPORATE_ACTIONS, at, where={"feed": "sample"})


def test_an_action_is_stored_once_and_a_correction_is_known_from_now_on(desk_of):
    first = desk_of()
    assert update(telling(first, split())).inserted == 1
    assert update(telling(first, split())).unchanged == 1
    later = desk_of(NOW + timedelta(hours=1))
    assert update(telling(later, split(5.0))).revised == 1
    assert stored(later, NOW)["value"].to_list() == [4.0]
    assert stored(later)["value"].to_list() == [5.0]
    assert stored(later, OPEN - timedelta(minutes=1)).is_empty()


def test_what_is_stored_adjusts_prices_as_known_at_any_instant(desk):
    update(telling(desk, split()))
    raw = pl.DataFrame(
        {"symbol": "SPY", "ts": [EX - timedelta(days=1)], "adjustment": "raw", "volume": 1.0}
        | dict.fromkeys(("open", "high", "low", "close"), 400.0),
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )
    closes = [
        split_adjusted(raw, stored(desk, at), at)["close"][0]
        for at in (OPEN - timedelta(microseconds=1), OPEN, NOW)
    ]
    assert closes == [400.0, 100.0, 100.0]


def test_rows_that_make_no_sense_go_to_quarantine(desk):
    from pipeline.market.bars import QUARANTINE_SCHEMA

    bad = pl.DataFrame(
        [("market.corporate_actions", "SPY", EX, "non_positive", "error", "value 0.0", "{}")],
        schema=dict(QUARANTINE_SCHEMA),
        orient="row",
    )

    def alter(fetched: Fetched) -> Fetched:
        return replace(fetched, quarantined=bad)

    assert update(damaged(desk, alter_actions=alter)).quarantined == 1
    assert desk.warehouse.query("quarantined", feed="sample")["rule"].to_list() == ["non_positive"]


def test_what_cannot_be_had_stops_the_update_unless_the_stored_rows_may_do(desk):
    def lost(fetched: Fetched) -> Fetched:
        raise SourceError("not one symbol could be had", field="sample")

    update(telling(desk, split()))
    broken = damaged(desk, alter_actions=lost)
    with pytest.raises(SourceError):
        update(broken)
    done = update(broken, allow_stale=True)
    assert [(f.rule, f.severity) for f in done.findings] == [("unreachable", "warn")]
    assert stored(desk).height == 1


def test_one_symbol_that_cannot_be_had_is_an_error_unless_the_stored_rows_may_do(desk):
    gone = Finding("unreachable", Severity.ERROR, "SPY", None, "yahoo is out")
    broken = damaged(desk, alter_actions=lambda fetched: replace(fetched, findings=(gone,)))
    assert [f.severity for f in update(broken).findings] == ["error"]
    assert [f.severity for f in update(broken, allow_stale=True).findings] == ["warn"]


def failures(result) -> set[str]:
    return {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}


def test_the_asset_stores_what_the_source_tells_and_shows_it(desk, instance):
    result = materialize(telling(desk, split()), instance, only=KEY)
    assert result.success
    assert failures(result) == set()
    assert stored(desk).height == 1
    newest = [e.materialization for e in result.get_asset_materialization_events()][-1]
    assert newest.metadata["dagster/row_count"].value == 1
    assert "SPY" in newest.metadata["newest"].value


@pytest.mark.parametrize(
    ("known_at", "declared_at"), [(EX - timedelta(hours=1), None), (OPEN, OPEN + timedelta(days=1))]
)
def test_an_action_known_before_anybody_could_know_it_blocks(desk, instance, known_at, declared_at):
    planted = telling(desk, split(known_at=known_at, declared_at=declared_at))
    result = materialize(planted, instance, only=KEY)
    assert failures(result) == {"known_in_time"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("split", "split"), "split"),
        (("raw", "split_dividend"), "raw and split_dividend"),
        (("split_dividend", "split"), "split and split_dividend"),
        ((None, None), "unknown"),
        ((None, "split_dividend"), "split_dividend and unknown"),
    ],
)
def test_a_history_says_every_adjustment_that_is_in_it(desk, words, told):
    bars = bars_of("SPY", "h4", 1)
    half = bars.height // 2
    mixed = [words[0]] * half + [words[1]] * (bars.height - half)
    rows = bars.with_columns(pl.Series("adjustment", mixed, dtype=pl.String), feed=pl.lit("files"))
    desk.warehouse.append(OHLCV_H4, rows)
    instruments = desk.loaded.settings.instruments
    read = read_history(["SPY"], END, feed="files", warehouse=desk.warehouse, instruments=instruments)
    assert read.provenance.adjustment == {"SPY": told}
