"""``bells models``: answers, and what it refuses with which exit code."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from assets.valuation import inputs as valuation_inputs
from assets.valuation import judge
from pipeline.errors import InsufficientDataError
from pipeline.valuation.falsification.board import falsify
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.onchain_price import OnChainPrice
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.registry import names
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import walk_forward
from service.cli.backtest_tables import percent
from tests.support.chain_histories import simulated_history
from warehouse.tables import BOARD

DAYS = 1100


@pytest.fixture(scope="module")
def history():
    return simulated_history(DAYS)


@pytest.fixture(scope="module")
def steep():
    """A price that leaves behind what its past says of it."""
    return simulated_history(DAYS, slope=14.0, sd=0.001)


@pytest.fixture
def models(bells, history, steep, monkeypatch):
    """The command over a simulated chain in place of the warehouse's."""

    def read(_warehouse, *, feed, at):
        if feed == "empty":
            raise InsufficientDataError("there are no days of the chain in the warehouse")
        rows = {"old": ended(history, days_ago=20), "steep": steep}.get(feed, history).known_by(at)
        return valuation_inputs.ValuationInputs(
            rows, feed or "sample", simulated=True, latest_revision=False, inputs=()
        )

    monkeypatch.setattr(valuation_inputs, "read_history", read)
    return lambda *arguments: bells("models", *arguments)


def ended(history, *, days_ago):
    """The same numbers under later dates: the newest day ended so long before today."""
    newest = np.datetime64(datetime.now(UTC).date()) - days_ago * DAY
    shift = newest - history.date[-1]
    return ChainHistory(history.date + shift, history.known_at + shift, history.columns)


def test_the_list_has_every_model_with_what_it_needs(models):
    told = models("list", "--json").json["models"]
    assert [each["name"] for each in told] == list(names())
    assert {each["slug"] for each in told} >= {"power-law", "stock-to-flow"}
    assert all(each["enabled"] for each in told)
    assert "price_usd" in told[0]["required_data"]
    assert "mvrv_bands" in models("list").out


def test_a_fit_shows_coefficients_residuals_and_errors(models):
    told = models("fit", "power-law", "--json").json
    assert told["model"] == "power_law"
    assert told["simulated"]
    assert told["coefficients"]["n"] == DAYS
    assert told["diagnostics"]["durbin_watson"] < 1.0
    assert told["interval"] == "walk_forward"
    assert [each["horizon_days"] for each in told["errors"]] == [1, 30, 90, 365]
    assert {each["level"] for each in told["coverage"]} == {0.68, 0.95}
    assert all(0.0 <= each["value"] <= 1.0 for each in told["coverage"] if each["n"])
    assert "alpha" in models("fit", "power-law").out


def test_an_ensemble_shows_its_members_coefficients(models):
    told = models("fit", "ensemble", "--json").json["coefficients"]
    assert told["weights"] == pytest.approx([0.4, 0.3, 0.3])
    assert len(told["members"]) == 3


def test_a_prediction_of_the_past_is_that_of_the_walk_forward(models, history):
    told = models("predict", "thermocap", "--date", "2013-03-01", "--price", "40", "--json").json
    walk = walk_forward(Thermocap(), history, horizons=(1,))
    row = [str(day) for day in walk.origins].index("2013-03-01")
    assert told["predicted_price"] == walk.forecast[row, 0]
    assert told["metadata"]["as_of"] == "2013-02-28"
    assert told["metadata"]["horizon_days"] == 1
    assert not told["metadata"]["in_sample"]
    assert told["metadata"]["source"] == "files"  # as the market source that the fixture sets
    assert told["metadata"]["zone"] in {"undervalued", "fair", "overvalued"}
    assert told["confidence_interval"]["lower"] < told["predicted_price"]


def test_a_later_day_is_a_forecast_with_its_horizon(models, history):
    day = history.date[-1].item() + timedelta(days=90)
    told = models("predict", "power_law", "--date", str(day), "--json").json
    assert told["metadata"]["horizon_days"] == 90
    assert told["metadata"]["zone"] == "unknown"
    assert told["metadata"]["current_price"] is None
    assert "predicted_price" in models("predict", "power_law", "--date", str(day)).out


def test_what_was_known_at_an_instant_gives_the_fit_of_then(models, history):
    then = models("fit", "power_law", "--at", "2013-01-01", "--json").json
    assert then["data_through"] == "2012-12-31"
    assert then["coefficients"]["n"] == int(history.index("2013-01-01"))


def test_a_backtest_has_the_metrics_of_the_contract(models):
    told = models("backtest", "mvrv_bands", "--horizon", "30", "--start", "2012-01-01", "--json").json
    assert set(told["metrics"]) >= {"mae", "mape", "rmse", "rmse_log", "sharpe_ratio", "max_drawdown"}
    assert [each["level"] for each in told["coverage"]] == [0.68, 0.95]
    assert told["failed"] == 0
    assert {"buy_and_hold_sharpe", "buy_and_hold_drawdown"} <= set(told["metrics"])
    assert len(told["predictions"]) >= told["metrics"]["n"]
    out = models("backtest", "mvrv_bands").out
    assert "coverage" in out
    assert "buy and hold" in out
    assert "no better than the last price" in out
    mape = models("backtest", "mvrv_bands", "--json").json["metrics"]["mape"]
    assert percent(mape) in out


def test_a_comparison_names_the_best_and_those_without_data(models):
    told = models("compare", "--json").json
    assert told["best_model"] == told["ranking"][0]
    assert told["absent"] == {"onchain_price": "the oracle has no confirmed price"}
    two = models("compare", "--models", "power_law,thermocap", "--json").json
    assert sorted(two["ranking"]) == ["power_law", "thermocap"]
    assert "not compared" in models("compare").out


def test_a_comparison_says_whether_anything_beats_the_last_price(models):
    told = models("compare", "--json").json
    assert told["horizon_days"] == 1
    assert (told["start_date"], told["end_date"]) == (
        told["results"][0]["start_date"],
        told["results"][0]["end_date"],
    )
    assert told["better_than_last_price"] == []
    assert told["last_price"]["n"] == told["results"][0]["common"]["n"]
    assert all(each["common"]["skill_last_price"] < 0.0 for each in told["results"])
    out = models("compare").out
    assert "none of them beats the last price" in out
    assert f"{told['start_date']} to {told['end_date']}" in out
    rows = [line for line in out.splitlines() if percent(told["last_price"]["mape"]) in line]
    assert any("last price" in line for line in rows)


def test_a_model_that_beats_the_last_price_is_named(models):
    told = models("compare", "--horizon", "90", "--models", "power_law", "--json").json
    assert told["better_than_last_price"] == ["power_law"]
    out = models("compare", "--horizon", "90", "--models", "power_law").out
    assert "better: power_law" in out


def test_a_registered_model_that_is_switched_off_is_listed_with_the_line_that_changes_it(models):
    off = ("--set", "valuation.models.mvrv_bands.enabled=false")
    told = models("compare", *off, "--json").json
    assert "mvrv_bands: {enabled: true}" in told["absent"]["mvrv_bands"]
    assert "mvrv_bands" in told["models"]
    assert "mvrv_bands" not in models("compare", "--models", "power_law", *off, "--json").json["absent"]


def test_without_a_name_each_model_answers_beside_the_newest_close(models, history):
    told = models("predict", "--date", "2013-03-01", "--json").json
    assert [each["model_name"] for each in told["models"]] == [
        "power_law", "stock_to_flow", "thermocap", "mvrv_bands", "ensemble",
    ]  # fmt: skip
    assert told["absent"] == {"onchain_price": "the oracle has no confirmed price"}
    close = history.values_at("price_usd", np.array(["2013-02-28"], "datetime64[D]"))[0]
    assert (told["current_price"], told["current_price_day"]) == (close, "2013-02-28")
    for each in told["models"]:
        away = close / each["predicted_price"] - 1.0
        assert each["metadata"]["deviation"] == pytest.approx(away)
        alone = models("predict", each["model_name"], "--date", "2013-03-01", "--json").json
        assert alone["predicted_price"] == each["predicted_price"]
        assert alone["metadata"]["current_price_day"] == "2013-02-28"
    out = models("predict", "--date", "2013-03-01").out
    assert "the close of 2013-02-28" in out
    assert all(name in out for name in (*told["absent"], *(each["model_name"] for each in told["models"])))


def test_with_every_model_switched_off_none_can_answer(models):
    off = [
        part
        for name in names()
        for part in ("--set", f"valuation.{'' if name == 'ensemble' else 'models.'}{name}.enabled=false")
    ]
    refused = models("predict", *off, "--json")
    assert (refused.code, refused.json["field"]) == (1, "valuation.models"), refused.out + refused.err
    assert "no valuation model is switched on" in refused.json["what"]
    assert all(refused.json[name] for name in ("constraint", "fix"))


def test_a_close_more_than_four_days_old_is_no_price_of_the_day(models, history):
    for days, known in ((4, True), (5, False)):
        day = history.date[-1].item() + timedelta(days=days)
        told = models("predict", "power_law", "--date", str(day), "--json").json
        assert (told["metadata"]["current_price"] is not None) is known
        assert (told["metadata"]["zone"] != "unknown") is known
        assert not told["stale"]  # a day that is asked for is a forecast


def test_today_from_old_data_is_called_stale_with_the_newest_day(models, history):
    newest = ended(history, days_ago=20).date[-1]
    answer = models("predict", "power_law", "--feed", "old", "--json")
    assert answer.json["stale"]
    assert str(newest) in answer.json["careful"][0]
    assert str(newest) in answer.err
    assert not models("predict", "power_law", "--feed", "old", "--date", "2026-01-01", "--json").json["stale"]


def test_an_estimate_on_the_edge_of_its_interval_is_called_biased(models):
    told = models("predict", "--feed", "steep", "--date", "2013-07-01", "--json")
    stretched = [each["model_name"] for each in told.json["models"] if each["metadata"]["interval_stretched"]]
    said = [each.partition(":")[0] for each in told.json["careful"]]
    assert said == stretched
    assert "thermocap" in stretched
    assert "power_law" not in stretched
    assert "thermocap: the estimate stands on the edge" in told.err
    assert "biased" in told.err


def test_a_day_before_all_prices_asks_for_a_later_one(models, history):
    told = models("predict", "power_law", "--date", "2010-01-01", "--json").json
    first = history.date[0]
    assert told["what"] == f"there is no price before {first}"
    assert str(history.date[365]) in told["fix"]
    assert "later" in told["fix"]


def test_a_fit_names_the_window_of_its_coverage(models):
    first, last = models("fit", "thermocap", "--json").json["coverage_window"]
    assert f"forecasts of {first} to {last}" in models("fit", "thermocap").out


def judged_board(history):
    models = (PowerLaw(), Thermocap(), OnChainPrice())
    rules = BoardRules(simulations=100, horizons=(90,), verdict_horizon=90, planted=100, planted_walks=100)
    read = valuation_inputs.ValuationInputs(
        history, "files", simulated=True, latest_revision=False, inputs=()
    )
    return judge.Judged(falsify(history, models, rules=rules), read, None, ("onchain_price",))


@pytest.mark.parametrize("ran", [True, False])
def test_dagster_is_told_of_a_board_where_the_home_has_had_runs(models, history, stored, monkeypatch, ran):
    found = judged_board(history)
    monkeypatch.setattr(judge, "judge", lambda *_, **__: found)
    events = stored / "dagster" / "history"
    if ran:
        events.mkdir(parents=True)
    told = models("board", "--json")
    assert told.code == 0, told.err
    assert "last price" in told.json["beside_last_price"]
    assert events.exists() is ran
    if not ran:
        return
    models("board", "--set", "valuation.auto_refit_days=10")  # other settings: not the board of the asset
    key = dg.AssetKey(BOARD.asset_key)
    with dg.DagsterInstance.get() as instance:
        seen = instance.fetch_materializations(key, limit=5).records
        checks = dg.AssetCheckKey(key, "all_judged")
        verdict = instance.event_log_storage.get_asset_check_execution_history(checks, limit=5)
    assert len(seen) == len(verdict) == 1
    assert "power_law" in seen[0].asset_materialization.metadata["board"].value


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("predict", "power_low"), 1, "model"),
        (("predict", "power_law", "--date", "tomorrow"), 1, "--date"),
        (("predict", "power_law", "--price", "-1"), 1, "--price"),
        (("predict", "power_law", "--price", "nan"), 1, "--price"),
        (("predict", "power_law", "--price", "inf"), 1, "--price"),
        (("predict", "power_law", "--date", "2009-01-03"), 1, "date"),
        (("predict", "ensemble", "--date", "2008-01-01"), 1, "date"),
        (("predict", "power_law", "--date", "2033-01-01"), 1, "date"),
        (("predict", "power_law", "--date", "2011-01-01"), 2, "--date"),
        (("predict", "--date", "2010-01-01"), 2, "--date"),
        (("predict", "power_law", "--feed", "empty"), 2, None),
        (("predict", "onchain_price", "--date", "2013-01-01"), 2, "oracle"),
        (("fit", "power_law", "--at", "2011-01-01"), 2, "history"),
        (("fit", "power_law", "--set", "valuation.models.power_law.enabled=false"), 1, None),
        (("fit", "ensemble", "--set", "valuation.ensemble.enabled=false"), 1, "valuation.ensemble.enabled"),
        (("backtest", "power_law", "--train-pct", "0.95"), 1, "train_pct"),
        (("backtest", "power_law", "--horizon", "0"), 1, "--horizon"),
        (("backtest", "power_law", "--start", "2013-07-20"), 2, "start, end"),
        (("compare", "--models", "power_law,magic"), 1, "model"),
        (("compare", "--models", ""), 1, "model"),
        (
            ("list", "--set", "valuation.models.stock_to_flow.parameters.variant=s2fx"),
            1,
            "stock_to_flow.variant",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_code(models, arguments, code, field):
    refused = models(*arguments, "--json")
    assert refused.code == code, refused.out + refused.err
    if field:
        assert refused.json["field"] == field
        assert all(refused.json[name] for name in ("what", "constraint", "fix"))


def test_without_a_warehouse_there_is_no_traceback(bells):
    assert bells("models", "fit", "power_law", "--json").code in {1, 2}
