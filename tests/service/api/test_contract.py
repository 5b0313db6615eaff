"""The nine endpoints: shapes, the path trap, and that answers are those of the models."""

from datetime import date

import pytest

from pipeline.valuation.power_law import fair_value
from service.api.app import build_app
from tests.service.api.conftest import SETTINGS

BASE = "/api/v1/models"
PREDICTION = {"model_name", "date", "predicted_price", "confidence_interval", "confidence_level", "metadata"}
LAW = {"alpha", "beta", "r_squared", "std_error", "fitted_on", "sample_size"}

pytestmark = pytest.mark.contract


def test_the_list_says_which_models_are_fitted(client):
    told = {each["name"]: each for each in client.get(BASE).json()}
    assert set(told) == {
        "power_law", "stock_to_flow", "thermocap", "mvrv_bands", "onchain_price", "ensemble",
    }  # fmt: skip
    assert set(told["thermocap"]) == {"name", "description", "required_data", "is_fitted"}
    assert [name for name, each in told.items() if not each["is_fitted"]] == ["onchain_price"]


def test_a_prediction_is_that_of_the_model_in_memory(client, ready):
    told = client.get(f"{BASE}/thermocap/predict?date=2014-09-30&current_price=40").json()
    said = ready.state.copy.models["thermocap"].predict(date(2014, 9, 30), current_price=40.0)
    assert set(told) == PREDICTION
    assert told["predicted_price"] == said.predicted_price
    assert told["confidence_interval"] == said.confidence_interval.to_dict()
    assert told["metadata"]["horizon_days"] == 36
    assert told["metadata"]["zone"] == said.metadata["zone"] != "unknown"
    assert told["metadata"]["simulated"] is True


def test_today_is_the_day_of_the_clock(client):
    assert client.get(f"{BASE}/stock-to-flow/predict").json()["date"] == "2014-08-28"


@pytest.mark.parametrize("name", ["stock_to_flow", "stock-to-flow", "Stock-To-Flow"])
def test_names_and_slugs_mean_the_same_model(client, name):
    assert client.get(f"{BASE}/{name}/predict").json()["model_name"] == "stock_to_flow"


def test_words_of_the_contract_are_no_model_names(client):
    """`compare` and `power-law` are declared before `{name}`: neither is taken for a model."""
    assert set(client.get(f"{BASE}/compare?models=power_law").json()) >= {"ranking", "best_model"}
    assert set(client.get(f"{BASE}/power-law").json()) == {"model"}
    assert set(client.get(f"{BASE}/power-law/predict").json()) == {"model", "prediction"}
    assert set(client.get(f"{BASE}/power_law/predict").json()) == PREDICTION
    assert client.get(f"{BASE}/backtest/predict").status_code == 404
    assert client.get(f"{BASE}/compare/predict").status_code == 404


def test_the_routes_stand_in_the_order_that_the_trap_asks_for(ready):
    paths = list(build_app(SETTINGS, ready).openapi()["paths"])
    named = paths.index(f"{BASE}/{{name}}/predict")
    for path in ("compare", "backtest/{name}", "ensemble", "power-law", "power-law/predict"):
        assert paths.index(f"{BASE}/{path}") < named


def test_a_backtest_has_the_metrics_of_the_contract(client):
    told = client.get(f"{BASE}/backtest/thermocap?train_pct=0.8&start_date=2012-01-01").json()
    assert set(told) >= {"model_name", "start_date", "end_date", "predictions", "metrics"}
    assert set(told["metrics"]) >= {
        "mae", "mape", "rmse", "direction_accuracy", "sharpe_ratio", "max_drawdown",
    }  # fmt: skip
    assert len(told["predictions"]) >= told["metrics"]["n"] > 100


def test_the_same_backtest_is_run_once_for_a_copy(client, ready):
    first = client.get(f"{BASE}/backtest/mvrv_bands?train_pct=0.75")
    key = ("backtest", "mvrv_bands", None, None, 0.75)
    assert ready.state.copy.kept._found[key].result() == first.text
    assert client.get(f"{BASE}/backtest/mvrv-bands?train_pct=0.75").text == first.text


def test_a_comparison_ranks_and_names_those_without_data(client):
    told = client.get(
        f"{BASE}/compare", params={"models": ["power_law", "thermocap", "onchain-price"]}
    ).json()
    assert told["best_model"] == told["ranking"][0]
    assert sorted(told["ranking"]) == ["power_law", "thermocap"]
    assert [each["model_name"] for each in told["results"]] == told["ranking"]
    assert list(told["absent"]) == ["onchain_price"]


def test_an_ensemble_is_the_weighted_mean_of_its_members(client):
    asked = {"models": ["power-law", "thermocap"], "weights": [0.25, 0.75], "date": "2014-09-01"}
    told = client.post(f"{BASE}/ensemble", json=asked).json()
    parts = [
        client.get(f"{BASE}/{name}/predict?date=2014-09-01").json()["predicted_price"]
        for name in ("power_law", "thermocap")
    ]
    assert set(told) == PREDICTION
    assert told["predicted_price"] == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], rel=1e-12)
    assert told["metadata"]["interval"] == "walk_forward"


def test_an_ensemble_without_weights_weighs_equally(client):
    for weights in ({}, {"weights": []}):
        asked = {"models": ["power_law", "thermocap"], **weights}
        assert client.post(f"{BASE}/ensemble", json=asked).json()["metadata"]["weights"] == {
            "power_law": 0.5,
            "thermocap": 0.5,
        }


def test_a_comparison_without_names_is_of_all_models_that_are_fitted(client, ready):
    told = client.get(f"{BASE}/compare").json()
    assert sorted(told["models"]) == sorted(
        name for name, model in ready.state.copy.models.items() if model.is_fitted
    )
    assert told["absent"] == {}


def test_the_power_law_of_a_day_has_its_band_and_zone(client):
    told = client.get(f"{BASE}/power-law/predict?date=2014-09-01&current_price=1").json()
    law, said = told["model"], told["prediction"]
    assert set(law) == LAW
    fair = fair_value(date(2014, 9, 1), alpha=law["alpha"], beta=law["beta"])
    assert said["fair_value"] == pytest.approx(fair, rel=1e-12)
    assert said["upper_band"] == pytest.approx(fair * 10 ** law["std_error"], rel=1e-12)
    assert said["lower_band"] == pytest.approx(fair / 10 ** law["std_error"], rel=1e-12)
    assert said["deviation_pct"] == pytest.approx(1.0 / fair - 1.0, rel=1e-12)
    assert said["zone"] == "undervalued"
    assert said["days_since_genesis"] == (date(2014, 9, 1) - date(2009, 1, 3)).days


@pytest.mark.parametrize("price", ["", "&current_price=0", "&current_price=-3"])
def test_without_a_price_above_zero_the_zone_is_unknown(client, price):
    said = client.get(f"{BASE}/power-law/predict?date=2014-09-01{price}").json()["prediction"]
    assert (said["zone"], said["deviation_pct"]) == ("unknown", None)


@pytest.mark.parametrize(("query", "rows"), [("", 365), ("?days=7", 7), ("?days=5000", 1500)])
def test_the_past_has_as_many_days_as_asked_for_and_known(client, query, rows):
    told = client.get(f"{BASE}/power-law/history{query}").json()["history"]
    assert len(told) == rows
    assert set(told[0]) == {"date", "price", "fair_value", "zone"}
    assert told[-1]["date"] == "2014-08-25"


def test_a_recalibration_is_put_in_force_without_touching_the_source(keeper, source, client_of, clock):
    keeper.look()
    before = keeper.state.copy
    told = client_of(keeper).post(f"{BASE}/power-law/recalibrate").json()["model"]
    assert keeper.state.copy is not before
    assert told == client_of(keeper).get(f"{BASE}/power-law").json()["model"]
    assert source.reads == 1


def test_the_schema_documents_the_one_error_body_and_no_other(client):
    schema = client.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"], path
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    body = answer["content"]["application/json"]["schema"]
                    assert body == {"$ref": "#/components/schemas/ApiError"}
    assert "503" in schema["paths"][f"{BASE}/power-law"]["get"]["responses"]
    assert "weights" not in schema["components"]["schemas"]["EnsembleRequest"]["required"]
