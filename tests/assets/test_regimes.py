"""Regime assets over the sample world: rows, changes, checks, what the UI is told, and what a trial reads."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets.partitions import months_from
from assets.regimes.assets import regime_assets
from assets.regimes.report import inputs_fresh, leaves_start, seen_too_early
from assets.regimes.rows import RegimeInputs, read_regime_inputs, regimes_at
from assets.regimes.tables import WITHDRAWN, stored_transitions, with_withdrawn
from pipeline.market.panel import build_panel
from pipeline.regimes.version import rules_version
from pipeline.regimes.vocabulary import DIMENSIONS, labels
from service.cli.updating import update_all
from tests.support.desk import QUIET, START, desk_at, month_range, resources_of
from warehouse.tables import MACRO, OHLCV_DAILY, OHLCV_H4, REGIMES_H4, TRANSITIONS

NOW = datetime(2021, 3, 20, 12, 10, tzinfo=UTC)
pytestmark = pytest.mark.slow


def run(desk, instance) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        regime_assets(months_from(desk.market.history.start)),
        resources=resources_of(desk),
        instance=instance,
        tags=month_range(START, NOW),
        run_config=QUIET,
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Two years of the sample world: the first run, a second one of the regimes, and the desk."""
    desk = desk_at(tmp_path_factory.mktemp("regimes"), NOW)
    desk.home.prepare()
    assert not update_all(desk, None, None).failures
    with dg.DagsterInstance.ephemeral() as instance:
        first = run(desk, instance)
        desk.clock.advance(timedelta(minutes=1))
        return first, run(desk, instance), desk


def facts(result, asset: str, month: str = "2021-03") -> dict[str, object]:
    (event,) = [
        e.materialization
        for e in result.get_asset_materialization_events()
        if e.asset_key.to_user_string() == asset and e.partition == month
    ]
    return {name: value.value for name, value in event.metadata.items()}


def test_every_decision_has_its_labels_from_the_first_close_on(stored):
    first, _, desk = stored
    assert first.success
    rows = desk.warehouse.as_of(REGIMES_H4)
    assert rows["ts"].min() == datetime(2019, 1, 1, 20, tzinfo=UTC)
    assert rows["ts"].max() == datetime(2021, 3, 20, 8, tzinfo=UTC)
    assert rows.height == (rows["ts"].max() - rows["ts"].min()) // timedelta(hours=4) + 1
    assert (rows["known_at"] == rows["ts"] + timedelta(hours=4)).all()
    for dimension, words in DIMENSIONS.items():
        assert set(rows[dimension]) <= {str(word) for word in words}
        assert rows[dimension].n_unique() > 1
    assert rows["simulated"].all()


def test_the_second_run_writes_nothing(stored):
    _, second, _ = stored
    for asset in ("regimes/h4", "regimes/transitions"):
        told = facts(second, asset)
        assert told["inserted"] == told["revised"] == 0
        assert told["unchanged"] > 0


def test_changes_are_those_of_the_labels_with_the_inputs_that_caused_them(stored):
    _, _, desk = stored
    rows = desk.warehouse.as_of(REGIMES_H4)
    changes = desk.warehouse.as_of(TRANSITIONS)
    for dimension in DIMENSIONS:
        own = changes.filter(pl.col("dimension") == dimension).sort("ts")
        moved = rows.filter(pl.col(dimension) != pl.col(dimension).shift(1))
        assert own["ts"].to_list() == moved["ts"].to_list()
        assert own["label_after"].to_list() == moved[dimension].to_list()
        for row, change in zip(moved.to_dicts(), own.to_dicts(), strict=True):
            assert change["observed"] == row[f"{dimension}_observed"]
            for name, value in json.loads(change["inputs_json"]).items():
                assert value == row[f"{dimension}_{name}"]


def test_changes_are_written_to_the_log_once(stored):
    _, _, desk = stored
    lines = (desk.home.logs / "regime.jsonl").read_text().splitlines()
    assert len(lines) == desk.warehouse.as_of(TRANSITIONS).height
    assert {json.loads(line)["context"]["dimension"] for line in lines} == set(DIMENSIONS)


def test_checks_pass_and_what_is_shown_plots(stored):
    first, _, _ = stored
    checks = {
        e.check_name: e for e in first.get_asset_check_evaluations() if e.asset_key.path[0] == "regimes"
    }
    assert set(checks) == {"no_duplicates", "no_nan", "known_in_time", "inputs_fresh", "leaves_neutral"}
    assert all(check.passed for check in checks.values())
    told = facts(first, "regimes/h4")
    assert all(isinstance(told[name], float) for name in ("equity", "vol", "crypto", "macro", "vol points"))
    assert len(re.search(r"base64,(.*)\)", str(told["picture"]))[1]) < 100_000
    assert "picture" not in facts(first, "regimes/h4", "2020-05")
    assert "risk_on to risk_off" in str(facts(first, "regimes/transitions")["newest"])


def test_a_panel_without_the_reference_symbols_has_the_stored_regimes(stored):
    _, _, desk = stored
    bars = desk.warehouse.as_of(OHLCV_H4, where={"symbol": "ETH/USD"})
    panel = build_panel(
        bars, ["ETH/USD"], datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 3, 20, tzinfo=UTC)
    )
    codes = regimes_at(panel, feed=desk.market.feed, warehouse=desk.warehouse, settings=desk.loaded.settings)
    rows = desk.warehouse.as_of(
        REGIMES_H4, start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 3, 20, tzinfo=UTC)
    )
    for dimension in DIMENSIONS:
        assert labels(dimension, codes[dimension]) == rows[dimension].to_list()


def read(desk, until=NOW) -> RegimeInputs:
    return read_regime_inputs(
        until, feed=desk.market.feed, warehouse=desk.warehouse, settings=desk.loaded.settings
    )


def test_what_is_read_is_named_with_its_digest(stored):
    _, _, desk = stored
    inputs = read(desk).inputs
    assert [item.table for item in inputs] == [OHLCV_DAILY.full_name, MACRO.full_name]
    assert all(item.rows > 500 and item.digest for item in inputs)
    assert read(desk).latest_revision == ()
    earlier = read(desk, NOW - timedelta(days=30)).inputs
    assert {item.digest for item in earlier}.isdisjoint({item.digest for item in inputs})


def test_an_observation_counted_before_it_was_known_is_found(stored):
    _, _, desk = stored
    inputs = read(desk)
    classified = inputs.at(inputs.axis(NOW))
    assert seen_too_early(classified, inputs) == 0
    late = {
        name: replace(one, known_at=one.known_at + np.timedelta64(8, "h"))
        for name, one in inputs.observations.items()
    }
    assert seen_too_early(classified, replace(inputs, observations=late)) > 500


def test_a_stale_input_a_missing_one_and_a_regime_that_never_moves_warn(stored):
    _, _, desk = stored
    inputs = read(desk)
    assert inputs_fresh(inputs, NOW).passed
    late = inputs_fresh(read(desk, NOW + timedelta(days=10)), NOW + timedelta(days=10))
    assert not late.passed
    assert late.severity is dg.AssetCheckSeverity.WARN
    assert "VIX" in str(late.description)
    without = replace(inputs, observations={**inputs.observations, "BTC/USD": inputs.observations["PMI"]})
    assert "crypto: no input" in str(inputs_fresh(without, NOW).description)
    idle = leaves_start(without.at(inputs.axis(NOW)))
    assert not idle.passed
    assert "crypto" in str(idle.description)


def test_a_change_that_history_takes_back_is_marked_as_withdrawn(stored):
    _, _, desk = stored
    window = (START, NOW)
    kept = stored_transitions(desk.warehouse, desk.market.feed, desk.loaded.settings.regimes, window)
    fewer = with_withdrawn(kept.tail(-1), kept)
    assert fewer.height == kept.height
    (gone,) = fewer.filter(pl.col("cause") == WITHDRAWN).to_dicts()
    assert gone["label_after"] == gone["label_before"]
    assert with_withdrawn(kept, kept).equals(kept)


def test_other_rules_have_another_name_and_other_multipliers_do_not(stored):
    rules = stored[2].loaded.settings.regimes
    slower = rules.model_copy(update={"vol": rules.vol.model_copy(update={"confirm": 5})})
    assert rules_version(slower) != rules_version(rules)
    assert rules_version(rules.model_copy(update={"multipliers": {}})) == rules_version(rules)
