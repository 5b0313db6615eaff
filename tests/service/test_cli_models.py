"""``bells models``: answers, and what it refuses with which exit code."""

from datetime import timedelta

import pytest

from assets.valuation import inputs as valuation_inputs
from pipeline.errors import InsufficientDataError
from pipeline.valuation.registry import names
from pipeline.valuation.walk_forward import walk_forward
from tests.support.chain_histories import simulated_history

DAYS = 1100


@pytest.fixture(scope="module")
def history():
    return simulated_history(DAYS)


@pytest.fixture
def models(bells, history, monkeypatch):
    """The command over a simulated chain in place of the warehouse's."""

    def read(_warehouse, *, feed, at):
        if feed == "empty":
            raise InsufficientDataError("there are no days of the chain in the warehouse")
        rows = history.known_by(at)
        return valuation_inputs.ValuationInputs(
            rows, feed or "sample", simulated=True, latest_revision=False, inputs=()
        )

    monkeypatch.setattr(valuation_inputs, "read_history", read)
    return lambda *arguments: bells("models", *arguments)


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
    walk = walk_forward(_thermocap(), history, horizons=(1,))
    row = [str(day) for day in walk.origins].index("2013-03-01")
    assert told["predicted_price"] == walk.forecast[row, 0]
    assert told["metadata"]["as_of"] == "2013-02-28"
    assert told["metadata"]["horizon_days"] == 1
    assert not told["metadata"]["in_sample"]
    assert told["metadata"]["source"] == "files"  # as the market source that the fixture sets
    assert told["metadata"]["zone"] in {"undervalued", "fair", "overvalued"}
    assert told["confidence_interval"]["lower"] < told["predicted_price"]


def _thermocap():
    from pipeline.valuation.thermocap import Thermocap

    return Thermocap()


def test_a_later_day_is_a_forecast_with_its_horizon(models, history):
    day = history.date[-1].item() + timedelta(days=90)
    told = models("predict", "power_law", "--date", str(day), "--json").json
    assert told["metadata"]["horizon_days"] == 90
    assert told["metadata"]["zone"] == "unknown"
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
    assert len(told["predictions"]) >= told["metrics"]["n"]
    assert "coverage" in models("backtest", "mvrv_bands").out


def test_a_comparison_names_the_best_and_those_without_data(models):
    told = models("compare", "--json").json
    assert told["best_model"] == told["ranking"][0]
    assert told["absent"] == {"onchain_price": "the oracle has no confirmed price"}
    two = models("compare", "--models", "power_law,thermocap", "--json").json
    assert sorted(two["ranking"]) == ["power_law", "thermocap"]
    assert "not compared" in models("compare").out


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
