"""A fault planted in the source or in the file fails its check, and what depends on it does not run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets import checks
from pipeline.market.findings import Finding, Severity
from resources.market.port import Fetched, Window
from tests.support.desk import NOW, START, Damaged, damaged, materialize
from warehouse.tables import FEATURES_H4, OHLCV_H4

H4 = "market/ohlcv_h4"
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("no_drawing")


def verdicts(result: dg.ExecuteInProcessResult, asset: str = H4) -> dict[str, dg.AssetCheckEvaluation]:
    key = dg.AssetKey.from_user_string(asset)
    return {e.check_name: e for e in result.get_asset_check_evaluations() if e.asset_key == key}


def failures(result: dg.ExecuteInProcessResult, asset: str = H4) -> set[str]:
    return {name for name, verdict in verdicts(result, asset).items() if not verdict.passed}


def only_h4(alter: Callable[[pl.DataFrame], pl.DataFrame]) -> dict[str, Any]:
    """Alter the delivered H4 rows; daily ones stay as they are."""
    return {
        "alter_bars": lambda timeframe, fetched: (
            replace(fetched, frame=alter(fetched.frame)) if timeframe == "h4" else fetched
        )
    }


def blocked_error(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [e for e in result.all_node_events if e.is_step_failure]
    return failure.step_failure_data.error.cls_name


def test_a_clean_source_passes_every_check(desk, instance):
    result = materialize(desk, instance)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 8 + 8 + 5 + 4 + 3 + 1
    assert all(e.passed and e.blocking for e in evaluations)


@pytest.mark.parametrize("rule", ["unreadable", "unknown_symbol", "unreachable", "no_bars"])
def test_a_file_or_symbol_that_was_left_out_blocks(desk, instance, rule):
    found = Finding(rule, Severity.ERROR, None, None, "bars.csv: cannot be read")
    broken = damaged(desk, alter_bars=lambda _timeframe, f: replace(f, findings=(*f.findings, found)))
    result = materialize(broken, instance)
    assert failures(result) == {"all_read"}
    assert "features__h4" not in {event.step_key for event in result.get_step_success_events()}


def test_a_venue_out_of_reach_whose_stored_rows_are_used_on_request_warns(desk, instance):
    found = Finding("unreachable", Severity.WARN, "SPY", None, "out of reach; what is stored is used")
    stale = damaged(desk, alter_bars=lambda _timeframe, f: replace(f, findings=(*f.findings, found)))
    result = materialize(stale, instance)
    assert result.success
    verdict = verdicts(result)["all_read"]
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)


def without(share: float, symbol: str = "BTC/USD") -> Callable[[str, Fetched], Fetched]:
    """Drop the last ``share`` of a symbol's H4 bars before the newest ten, and report the gap."""

    def alter(timeframe: str, fetched: Fetched) -> Fetched:
        if timeframe == "daily":
            return fetched
        labels = fetched.frame.filter(pl.col("symbol") == symbol)["ts"].sort()
        count = round(share * labels.len())
        gone = labels[-10 - count : -10]
        kept = fetched.frame.filter((pl.col("symbol") != symbol) | ~pl.col("ts").is_in(gone.implode()))
        found = Finding("gap", Severity.WARN, symbol, gone[0], "no bars", gone[-1], count)
        return replace(fetched, frame=kept, findings=(*fetched.findings, found))

    return alter


def test_a_short_gap_warns_and_lets_features_run(desk, instance):
    result = materialize(damaged(desk, alter_bars=without(0.03)), instance)
    gaps = verdicts(result)["no_gaps"]
    assert result.success
    assert not gaps.passed
    assert gaps.severity == dg.AssetCheckSeverity.WARN
    assert gaps.metadata["missing_share"].value == pytest.approx(0.03, abs=1e-3)
    assert desk.warehouse.as_of(FEATURES_H4).height > 0


def test_a_whole_series_does_not_make_up_for_one_full_of_holes():
    hole = Finding("gap", Severity.WARN, "SPY", None, "no bars", count=10)
    judged = checks.gaps([hole], {"SPY": 90, "QQQ": 100_000}, 0.05)
    assert judged.severity == dg.AssetCheckSeverity.ERROR
    assert judged.metadata["missing_share"].value == pytest.approx(0.1)
    assert "SPY" in judged.description


def test_a_gap_above_the_limit_blocks_features(desk, instance):
    result = materialize(damaged(desk, alter_bars=without(0.06)), instance)
    gaps = verdicts(result)["no_gaps"]
    assert not result.success
    assert gaps.severity == dg.AssetCheckSeverity.ERROR
    assert failures(result) == {"no_gaps"}
    assert blocked_error(result) == "DagsterAssetCheckFailedError"
    assert not result.asset_materializations_for_node("features__h4")
    assert desk.warehouse.as_of(FEATURES_H4).height == 0


@pytest.mark.parametrize(
    ("check", "alter"),
    [
        ("ohlc_order", lambda rows: rows.with_columns(high=pl.col("low"))),
        ("ohlc_order", lambda rows: rows.with_columns(low=pl.col("high"))),
        ("no_nan", lambda rows: rows.with_columns(high=pl.lit(float("inf")))),
        ("known_in_time", lambda rows: rows.with_columns(known_at=pl.col("ts"))),
        ("known_in_time", lambda rows: rows.with_columns(known_at=pl.col("known_at") - timedelta(minutes=1))),
    ],
)
def test_wrong_bars_that_a_source_lets_through_block(desk, instance, check, alter):
    result = materialize(damaged(desk, **only_h4(alter)), instance, only=H4)
    assert not result.success
    assert failures(result) == {check}
    assert blocked_error(result) == "DagsterAssetCheckFailedError"


def test_a_single_bad_bar_is_enough(desk, instance):
    def alter(rows: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        return rows.with_columns(high=pl.when(first).then(pl.col("low") * 0.5).otherwise(pl.col("high")))

    result = materialize(damaged(desk, **only_h4(alter)), instance, only=H4)
    assert verdicts(result)["ohlc_order"].metadata["offending_bars"].value == 1


def test_a_version_stored_twice_blocks(desk, instance):
    assert materialize(desk, instance, only=H4).success
    with desk.warehouse.write() as cursor:
        cursor.execute("INSERT INTO market.ohlcv_h4 SELECT * FROM market.ohlcv_h4 LIMIT 3")
    result = materialize(desk, instance, only=H4)
    assert failures(result) == {"no_duplicates"}
    assert verdicts(result)["no_duplicates"].metadata["duplicate_keys"].value == 3
    assert not result.success


def ends(at: datetime) -> dict[str, Any]:
    return only_h4(lambda rows: rows.filter(pl.col("ts") < at))


@pytest.mark.parametrize(("days", "fails"), [(1, False), (4, True)])
def test_a_live_source_that_stopped_blocks_after_the_grace_of_48_hours(desk, instance, days, fails):
    result = materialize(damaged(desk, **ends(NOW - days * DAY)), instance, only=H4)
    assert failures(result) == ({"fresh"} if fails else set())
    assert result.success is not fails
    if fails:
        assert "BTC/USD ends" in verdicts(result)["fresh"].description


def test_history_that_has_an_end_only_warns_when_it_stops_early(desk, instance):
    past = Damaged(desk.market, **ends(NOW - 4 * DAY))
    past.history = Window(START, NOW)
    result = materialize(replace(desk, market=past), instance, only=H4)
    assert failures(result) == {"fresh"}
    assert verdicts(result)["fresh"].severity == dg.AssetCheckSeverity.WARN
    assert result.success


def test_macro_known_before_its_period_begins_blocks(desk, instance):
    def early(fetched: Fetched) -> Fetched:
        return replace(fetched, frame=fetched.frame.with_columns(known_at=pl.col("ts") - DAY))

    result = materialize(damaged(desk, alter_macro=early), instance, only="market/macro")
    assert failures(result, "market/macro") == {"known_in_time"}
    assert not result.success


def test_features_known_before_their_bars_block(desk, instance, monkeypatch):
    from assets.features import assets as features

    real = features.feature_rows

    def early(*args: Any, **kwargs: Any) -> Any:
        rows, inputs = real(*args, **kwargs)
        return rows.with_columns(known_at=pl.col("ts")), inputs

    monkeypatch.setattr(features, "feature_rows", early)
    result = materialize(desk, instance)
    assert failures(result, "features/h4") == {"known_in_time"}
    assert not result.success


def test_features_that_overflow_block(desk, instance, monkeypatch):
    from assets.features import assets as features

    real = features.feature_rows

    def overflowing(*args: Any, **kwargs: Any) -> Any:
        rows, inputs = real(*args, **kwargs)
        return rows.with_columns(rsi_14=pl.lit(float("inf"))), inputs

    monkeypatch.setattr(features, "feature_rows", overflowing)
    assert failures(materialize(desk, instance), "features/h4") == {"no_nan"}


def test_a_missing_price_never_reaches_the_table(desk, instance):
    nan = only_h4(lambda rows: rows.with_columns(close=pl.lit(float("nan"))))
    desk.warehouse.migrate()
    result = materialize(damaged(desk, **nan), instance, only=H4)
    assert not result.success
    assert not result.get_asset_materialization_events()
    assert desk.warehouse.as_of(OHLCV_H4).height == 0


def test_the_checks_of_a_second_symbol_are_not_hidden_by_the_first(desk, instance):
    def alter(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            known_at=pl.when(pl.col("symbol") == "SPY").then(pl.col("ts")).otherwise(pl.col("known_at"))
        )

    result = materialize(damaged(desk, **only_h4(alter)), instance, only=H4)
    spy = desk.warehouse.as_of(OHLCV_H4, where={"symbol": "SPY"}).height
    assert verdicts(result)["known_in_time"].metadata["offending_rows"].value == spy > 0
