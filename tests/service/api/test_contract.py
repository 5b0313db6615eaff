"""The nine endpoints: shapes, statuses, the path trap, tags and keys."""

import pytest
from fastapi.testclient import TestClient

from service.api.app import build_app
from service.api.schemas import (
    BacktestResult,
    Comparison,
    ModelInfo,
    ModelPrediction,
    PowerLawAnswer,
    PowerLawHistory,
    PowerLawPredicted,
)

BASE = "/api/v1/models"
GOOD = {"models": ["power-law", "stock_to_flow"], "weights": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/power_law/predict", ModelPrediction),
        ("/stock-to-flow/predict?date=2019-06-01&current_price=4000", ModelPrediction),
        ("/backtest/power-law", BacktestResult),
        ("/compare?models=power_law&models=thermocap", Comparison),
        ("/compare?models=power_law,thermocap", Comparison),
        ("/power-law", PowerLawAnswer),
        ("/power-law/predict?current_price=9000", PowerLawPredicted),
        ("/power-law/history?days=7", PowerLawHistory),
    ],
)
def test_an_answer_has_the_shape_of_the_contract(client, path, shape):
    found = client.get(BASE + path)
    assert found.status_code == 200, found.text
    shape.model_validate(found.json())
    assert {"etag", "x-as-of", "x-age-seconds", "x-trace-id", "cache-control"} <= set(found.headers)


def test_the_list_names_every_model(client):
    found = [ModelInfo.model_validate(each) for each in client.get(BASE).json()]
    assert [each.name for each in found] == ["power_law", "stock_to_flow", "thermocap"]
    assert all(each.is_fitted for each in found)


def test_compare_and_the_power_law_are_no_names_of_models(client):
    assert set(client.get(f"{BASE}/power-law/predict").json()) == {"model", "prediction"}
    assert client.get(f"{BASE}/compare").status_code == 400


def test_an_ensemble_is_the_weighted_mean(client):
    parts = [
        client.get(f"{BASE}/{n}/predict").json()["predicted_price"] for n in ("power_law", "stock_to_flow")
    ]
    found = client.post(f"{BASE}/ensemble", json=GOOD)
    ModelPrediction.model_validate(found.json())
    assert found.json()["predicted_price"] == pytest.approx(sum(parts) / 2)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing/predict", None, 404),
        ("GET", "/backtest/nothing", None, 404),
        ("GET", "/compare?models=nothing", None, 400),
        ("GET", "/power_law/predict?date=yesterday", None, 400),
        ("GET", "/power_law/predict?date=2009-01-03", None, 400),
        ("GET", "/power-law/predict?date=2009-01-03", None, 400),
        ("GET", "/power-law/predict?date=9999-01-01", None, 400),
        ("GET", "/power-law/history?days=6", None, 400),
        ("GET", "/backtest/power-law?train_pct=0.95", None, 400),
        ("GET", "/backtest/power-law?start_date=2019-01-01&end_date=2019-01-06", None, 400),
        ("GET", "/power_law/predict?current_price=nan", None, 400),
        ("POST", "/ensemble", {"models": ["power_law"], "weights": [1.0]}, 400),
        ("POST", "/ensemble", {**GOOD, "weights": [0.5, 0.6]}, 400),
        ("POST", "/ensemble", {**GOOD, "aggregation": "mode"}, 400),
        ("POST", "/ensemble", {**GOOD, "models": ["power_law", "nothing"]}, 400),
        ("DELETE", "/power-law", None, 405),
        ("GET", "/a/b/c/d", None, 404),
    ],
)
def test_a_failure_has_its_status_and_one_shape(client, method, path, body, status):
    found = client.request(method, BASE + path, json=body)
    assert found.status_code == status, found.text
    assert set(found.json()) == {"error", "code", "detail", "trace_id"}
    assert found.json()["code"] == status
    assert found.json()["trace_id"] == found.headers["x-trace-id"]


def test_without_data_every_answer_is_503_and_health_says_why(empty):
    for path in ("", "/power-law", "/power_law/predict", "/backtest/power_law", "/compare?models=power_law"):
        assert empty.get(BASE + path).status_code == 503
    assert empty.get("/health").status_code == 503
    assert empty.get("/health").json()["problem"] == "the warehouse is busy"


def test_a_client_with_the_same_bytes_gets_304(client):
    tag = client.get(f"{BASE}/power-law").headers["etag"]
    again = client.get(f"{BASE}/power-law", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{BASE}/power-law", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_configured_key_is_wanted_for_reading_and_changing(copy):
    guarded = TestClient(build_app(copy, today=lambda: None, keys=("s3cret",)), client=("127.0.0.1", 1))
    assert guarded.get(BASE).status_code == 401
    assert guarded.get(BASE, headers={"X-API-Key": "wrong"}).status_code == 401
    assert guarded.get(BASE, headers={"X-API-Key": "s3cret"}).status_code == 200
    assert guarded.post(f"{BASE}/power-law/recalibrate").status_code == 401
    assert guarded.get("/health").status_code == 200


def test_without_keys_only_this_machine_may_recalibrate(copy, client):
    far = TestClient(build_app(copy, today=lambda: None), client=("10.0.0.9", 1))
    assert far.post(f"{BASE}/power-law/recalibrate").status_code == 403
    assert client.post(f"{BASE}/power-law/recalibrate").status_code == 200


def test_metrics_count_requests_by_route(client):
    client.get(f"{BASE}/power_law/predict")
    text = client.get("/metrics").text
    assert 'route="/api/v1/models/{name}/predict",status="200"} 1' in text
    assert "bells_copy_age_seconds" in text


def test_a_copy_that_cannot_be_refreshed_keeps_its_rows_and_tells(copy, client):
    def broken(_mark):
        raise OSError("gone")

    copy._read = broken  # the port to the warehouse fails from here on
    assert copy.refresh() is False
    assert client.get(BASE).status_code == 200
    assert client.get("/health").json()["status"] == "stale"
