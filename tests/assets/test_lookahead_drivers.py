"""The graph's own functions are driven: honest they pass, and a leak planted into any of them is caught."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.lookahead.drivers import BOOK, STRATEGY, drivers
from assets.lookahead.sisters import restated, start_dates
from pipeline.calendar.grid import CELL64
from pipeline.lookahead.proof import prove
from tests.support.small_graph import small_graph

DAY = 6 * CELL64


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return small_graph(tmp_path_factory.mktemp("home"))


def proved(graph, perturbations):
    _, _, bench, stretch = graph
    chosen = drivers(bench)
    *_, proof = prove(
        [stretch], chosen, bench.open, perturbations=perturbations, seed=8, plants=(), forming=2
    )
    return proof


def flagged(proof):
    return {name for name, tally in proof.drivers.items() if tally.changed}


def test_every_driver_is_compared_and_none_changes(graph):
    proof = proved(graph, 9)
    assert proof.undriven == []
    assert flagged(proof) == set()
    assert {"market/ohlcv_h4", "market/ohlcv_daily", "features/h4", "regimes/h4"} <= set(proof.drivers)
    assert f"{STRATEGY}EquityTrend" in proof.drivers
    assert f"{STRATEGY}{BOOK}" in proof.drivers
    assert proof.cells > 1_000_000


def seen_early(by):
    """Return the step of a computation that asks what is known at each decision, asked ``by`` too late."""

    def plant(monkeypatch, module, name, place):
        honest = getattr(module, name)

        def leaky(*arguments, **how):
            changed = list(arguments)
            changed[place] = changed[place] + by
            return honest(*changed, **how)

        monkeypatch.setattr(module, name, leaky)

    return plant


def test_daily_closes_seen_a_day_early_are_caught_where_they_arise_and_in_what_follows(graph, monkeypatch):
    from pipeline.features import compute

    seen_early(DAY)(monkeypatch, compute, "_carried", 2)
    found = flagged(proved(graph, 6))
    assert {"features/h4", "features/h4 at decisions"} <= found
    assert not {"market/ohlcv_h4", "market/ohlcv_daily", "regimes/h4"} & found


def test_bars_seen_a_cell_early_are_caught(graph, monkeypatch):
    from pipeline.features import compute

    seen_early(CELL64)(monkeypatch, compute, "at_each_decision", 2)
    assert "features/h4 at decisions" in flagged(proved(graph, 6))


def test_a_strategy_that_reads_its_next_row_is_caught_by_itself_and_in_the_book(graph, monkeypatch):
    from pipeline.strategies.equity_trend import EquityTrend

    honest = EquityTrend.weights
    monkeypatch.setattr(EquityTrend, "weights", lambda *given: np.roll(honest(*given), -12, axis=0).copy())
    found = flagged(proved(graph, 24))
    assert {f"{STRATEGY}EquityTrend", f"{STRATEGY}{BOOK}"} <= found
    assert not {"features/h4", f"{STRATEGY}CryptoMomentum"} & found


def test_regimes_told_a_month_early_are_caught(graph, monkeypatch):
    from assets.regimes import rows as regime_rows

    honest = regime_rows._closes

    def early(rows, instrument, end):
        shifted = rows.with_columns(rows["known_at"] - timedelta(days=30))
        return honest(shifted, instrument, end)

    monkeypatch.setattr(regime_rows, "_closes", early)
    found = flagged(proved(graph, 6))
    assert "regimes/h4" in found
    assert "features/h4" not in found


@pytest.fixture(scope="module")
def through_splits(graph):
    """The same graph on raw prices of SPY that split, told a month late; the cuts lie in that month."""
    desk, sources, bench, stretch = graph
    ex = datetime(2020, 3, 2, tzinfo=UTC)
    old = pl.when((pl.col("symbol") == "SPY") & (pl.col("ts") < ex)).then(4.0).otherwise(1.0)
    world = dict(stretch.world)
    for name in ("market.ohlcv_h4", "market.ohlcv_daily"):
        raw = [pl.col(price) * old for price in ("open", "high", "low", "close")]
        world[name] = world[name].with_columns(*raw, pl.col("volume") / old, adjustment=pl.lit("raw"))
    told = {"symbol": "SPY", "ts": ex, "kind": "split", "value": 4.0, "source": "test", "simulated": True}
    told |= {"feed": desk.market.feed, "known_at": ex + timedelta(days=30)}
    columns = world["market.corporate_actions"].schema
    world["market.corporate_actions"] = pl.DataFrame([told], schema=columns)
    cuts = {"first": ex - timedelta(days=2), "last": ex + timedelta(days=32)}
    return desk, sources, bench, replace(stretch, world=world, **cuts)


def test_a_split_changes_no_regime_and_no_feature_before_it_is_known(through_splits):
    found = flagged(proved(through_splits, 9))
    assert not {"regimes/h4", "regimes/transitions", "features/h4 at decisions"} & found


def test_a_split_counted_before_it_is_known_is_caught(through_splits, monkeypatch):
    from pipeline.market import adjustment

    honest = adjustment.restated_closes

    def foreseen(rows, actions):
        return honest(rows, actions.with_columns(known_at="ts"))

    monkeypatch.setattr(adjustment, "restated_closes", foreseen)
    assert "regimes/h4" in flagged(proved(through_splits, 9))


def test_only_the_strategy_that_was_asked_for_is_driven_and_the_others_are_left_out_with_a_reason(graph):
    _, _, bench, _ = graph
    one = replace(bench, strategy="EquityTrend")
    assert list(one.plans()) == ["EquityTrend"]
    assert one.left_out()[f"{STRATEGY}CryptoMomentum"] == "only EquityTrend was asked for"


def test_features_do_not_depend_on_where_a_history_starts_once_they_are_settled(graph):
    _, _, bench, stretch = graph
    found = start_dates(bench, [stretch], starts=3, seed=8)
    assert found["start_changed"] == 0
    assert found["start_cells"] > 10_000
    assert found["start_worst"] <= 1e-9


def test_the_restatement_meter_is_read_beside_the_proof(graph):
    _, _, bench, _ = graph
    metered = restated(bench)["restatement"]
    assert metered["series"] > 0
    assert metered["restated_cells"] == 0
