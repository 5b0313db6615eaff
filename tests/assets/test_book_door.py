"""A book through the one door to the kernel: what it stores beside a run, and the drill of a switch."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from assets.backtest.plan import plan_of
from assets.backtest.trials import configured_strategy, run_trial
from assets.manifests import manifest_for
from assets.market.ingest import update_bars
from pipeline.errors import ConfigError
from tests.support.desk import NOW, desk_at
from warehouse.tables import ATTRIBUTION, MEMBER_DAYS, MEMBERS, RUNS, TRIALS

START, END = datetime(2019, 1, 20, tzinfo=UTC), datetime(2019, 3, 15, tzinfo=UTC)
QUICK = {
    "backtest.strategy": "portfolio",
    "backtest.start": START,
    "backtest.end": END,
    "strategies.EquityTrend.parameters.sma_days": 5,
    "strategies.EquityTrend.parameters.momentum_short_days": 2,
    "strategies.EquityTrend.parameters.momentum_long_days": 3,
    "strategies.IndexMeanReversion.parameters.oversold": 45.0,
    "strategies.CryptoMomentum.parameters.momentum_short_days": 3,
    "strategies.CryptoMomentum.parameters.momentum_long_days": 5,
    "strategies.CryptoMomentum.parameters.only_in_risk_on": False,
    "regimes.multipliers.crypto_risk_off.CryptoMomentum": 1.0,
}
"""Strategies quick enough to trade within eight weeks."""
NAMES = ["EquityTrend", "IndexMeanReversion", "CryptoMomentum"]


@pytest.fixture
def opened(tmp_path, world):
    """Open a desk whose warehouse holds the bars of the first months, with more settings."""

    def desk(**more):
        overrides = QUICK | {name.replace("__", "."): value for name, value in more.items()}
        made = replace(desk_at(tmp_path, overrides=overrides), market=world)
        if not made.warehouse.path.exists():
            for timeframe in ("h4", "daily"):
                update_bars(
                    timeframe,
                    (world.history.start, NOW),
                    market=world,
                    warehouse=made.warehouse,
                    now=NOW,
                    manifest=manifest_for("test", made.loaded, NOW),
                )
        return made

    return desk


def stored(desk, table, run_id):
    return desk.warehouse.as_of(table, where={"run_id": run_id})


def test_a_book_leaves_its_strategies_their_days_and_every_target(opened):
    desk = opened()
    trial = run_trial(desk)
    members = stored(desk, MEMBERS, trial.run_id)
    assert set(members["strategy"]) == set(NAMES)
    gained = trial.row["final_nav"] - trial.row["initial_nav"]
    assert gained != 0.0
    interest = trial.result.simulation.interest
    assert members["pnl"].sum() == pytest.approx(gained - interest, abs=1e-6)
    assert members["turnover"].sum() == pytest.approx(trial.row["turnover"])
    days = stored(desk, MEMBER_DAYS, trial.run_id)
    assert days.height == 3 * trial.result.simulation.daily.size
    parts = stored(desk, ATTRIBUTION, trial.run_id)
    assert set(parts.filter(kind="strategy")["part"]) == set(NAMES)
    assert parts.filter(kind="strategy")["weight"].null_count() == 0
    assert parts.filter(pl.col("kind") != "strategy")["weight"].is_null().all()
    manifests = desk.warehouse.query("manifests", table_name="backtest.attribution").to_dicts()
    assert len(manifests) == 1


def test_stored_shares_sum_to_the_targets_and_with_rules_lead_from_the_weights(opened):
    desk = opened()
    trial = run_trial(desk)
    run = trial.result.simulation
    parts = stored(desk, ATTRIBUTION, trial.run_id)
    sums = (
        parts.group_by("ts", "symbol")
        .agg(
            target=pl.col("contribution").filter(pl.col("kind") == "strategy").sum(),
            cut=pl.col("contribution").filter(pl.col("kind") == "rule").sum(),
            weight=pl.col("weight").sum(),
        )
        .sort("ts", "symbol")
    )
    row = np.searchsorted(run.ts, sums["ts"].dt.replace_time_zone(None).to_numpy())
    column = [run.symbols.index(symbol) for symbol in sums["symbol"]]
    np.testing.assert_allclose(sums["target"], run.target[row, column], atol=1e-12)
    np.testing.assert_allclose(sums["weight"] + sums["cut"], run.target[row, column], atol=1e-12)
    assert (sums["cut"] != 0.0).any()
    assert parts.height < 4 * run.ts.size * 3


def test_between_two_stored_decisions_the_target_of_a_symbol_stays(opened):
    desk = opened()
    trial = run_trial(desk)
    run = trial.result.simulation
    parts = stored(desk, ATTRIBUTION, trial.run_id).filter(kind="strategy")
    for column, symbol in enumerate(run.symbols):
        own = parts.filter(symbol=symbol).group_by("ts").agg(pl.col("contribution").sum()).sort("ts")
        row = np.searchsorted(run.ts, own["ts"].dt.replace_time_zone(None).to_numpy())
        held = np.zeros(run.ts.size)
        for first, value in zip(row, own["contribution"], strict=True):
            held[first:] = value
        np.testing.assert_allclose(held, run.target[:, column], atol=1e-12)


def test_the_family_of_a_book_is_its_strategies_and_their_universe(opened):
    desk = opened(backtest__strategy=["IndexMeanReversion", "EquityTrend"])
    trial = run_trial(desk)
    (row,) = stored(desk, TRIALS, trial.run_id).to_dicts()
    assert row["family"] == "EquityTrend+IndexMeanReversion[QQQ,SPY]"
    assert row["strategy"] == "portfolio"
    (run,) = stored(desk, RUNS, trial.run_id).to_dicts()
    assert run["strategy_version"] == "IndexMeanReversion-1.0.0 EquityTrend-1.0.0"
    assert set(json.loads(run["config_json"])["strategies"]) >= set(NAMES)


def test_budgets_follow_the_regimes_that_the_warehouse_knows(opened):
    plain = run_trial(opened())
    desk = opened(regimes__multipliers__crypto_risk_off__CryptoMomentum=0.5)
    halved = run_trial(desk)
    before, after = (trial.result.book.budgets for trial in (plain, halved))
    np.testing.assert_allclose(after[:, 2] / after[:, 0], 0.5 * before[:, 2] / before[:, 0])
    np.testing.assert_allclose(after[:, 1] / after[:, 0], before[:, 1] / before[:, 0])
    assert (after.sum(axis=1) <= 1.0 + 1e-12).all()
    read = json.loads(desk.warehouse.query("manifests", table_name="backtest.runs")["inputs_json"][0])
    assert "market.macro" in {item["table"] for item in read}


def test_a_single_strategy_has_no_book_and_keeps_its_digest_whatever_the_budgets(opened):
    one = {"backtest__strategy": "EquityTrend"}
    first = run_trial(opened(**one))
    second = run_trial(opened(**one, strategies__EquityTrend__budget=0.1))
    assert first.result.digest == second.result.digest
    assert first.result.book is None
    desk = opened(**one)
    assert stored(desk, MEMBERS, first.run_id).is_empty()
    (row,) = stored(desk, TRIALS, first.run_id).to_dicts()
    assert row["family"] == "EquityTrend[QQQ,SPY]"


def test_a_drill_of_the_kill_switch_stops_every_new_order_until_it_ends(opened):
    since, until = datetime(2019, 2, 1, tzinfo=UTC), datetime(2019, 2, 20, tzinfo=UTC)
    trial = run_trial(opened(backtest__kill_from=since, backtest__kill_until=until))
    run = trial.result.simulation
    decided = run.ts[run.fills.row]
    inside = (decided > np.datetime64("2019-02-01T00")) & (decided < np.datetime64("2019-02-20T00"))
    assert (run.fills.quantity[inside] <= 0.0).all()
    assert (run.fills.quantity[~inside] > 0.0).any()
    assert "killed" in {flag.name for flag in trial.result.flags}


def test_who_needs_one_strategy_is_told_that_a_book_is_configured(opened):
    with pytest.raises(ConfigError, match="one strategy is needed"):
        configured_strategy(opened())
    plan = plan_of(opened())
    assert plan.is_book
    assert plan.universe == ("SPY", "QQQ", "BTC/USD", "ETH/USD")
    names = [spec.name for spec in plan.specs]
    assert len(set(names)) == len(names)
