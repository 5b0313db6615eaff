"""What goes wrong has one body everywhere, and the status that the contract says."""

import pytest

from tests.service.api.conftest import NOW

BASE = "/api/v1/models"
BODY = {"error", "code", "detail", "trace_id"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{BASE}/nothing/predict", 404, "unknown_model"),
        (f"{BASE}/backtest/nothing", 404, "unknown_model"),
        ("/nothing", 404, "not_found"),
        (f"{BASE}/", 404, "not_found"),
        (f"{BASE}/thermocap/predict?date=tomorrow", 400, "invalid_input"),
        (f"{BASE}/thermocap/predict?date=2014-02-30", 400, "invalid_input"),
        (f"{BASE}/thermocap/predict?date=1700000000", 400, "invalid_input"),
        (f"{BASE}/thermocap/predict?date=2008-01-01", 400, "bad_request"),
        (f"{BASE}/thermocap/predict?date=2099-01-01", 400, "bad_request"),
        (f"{BASE}/thermocap/predict?current_price=nan", 400, "invalid_input"),
        (f"{BASE}/power-law/predict?date=20140901", 400, "invalid_input"),
        (f"{BASE}/power-law/history?days=6", 400, "invalid_input"),
        (f"{BASE}/power-law/history?days=5001", 400, "invalid_input"),
        (f"{BASE}/backtest/thermocap?train_pct=0.95", 400, "invalid_input"),
        (f"{BASE}/backtest/thermocap?start_date=2014-08-20", 400, "bad_request"),
        (f"{BASE}/backtest/thermocap?start_date=2014-08-20&end_date=2013-01-01", 400, "bad_request"),
        (f"{BASE}/compare?models=", 400, "invalid_input"),
        (f"{BASE}/compare?models=nothing", 400, "unknown_model"),
        (f"{BASE}/onchain-price/predict", 503, "no_data"),
    ],
)
def test_a_request_that_cannot_be_answered_says_why(client, path, status, code):
    told = client.get(path)
    assert (told.status_code, told.json()["code"]) == (status, code)
    assert set(told.json()) == BODY
    assert told.headers["x-trace-id"] == told.json()["trace_id"]
    assert all(isinstance(value, str) and value for value in told.json().values())


@pytest.mark.parametrize(
    "body",
    [
        {"models": ["power_law"], "weights": [1.0]},
        {"models": ["power_law", "thermocap"], "weights": [0.5, 0.6]},
        {"models": ["power_law", "thermocap"], "weights": [1.0]},
        {"models": ["power_law", "power-law"], "weights": [0.5, 0.5]},
        {"models": ["power_law", "ensemble"], "weights": [0.5, 0.5]},
        {"models": ["power_law", "nothing"], "weights": [0.5, 0.5]},
        {"models": ["power_law", "thermocap"], "weights": [0.5, 0.5], "aggregation": "mode"},
        {"models": ["power_law", "thermocap"], "weights": [0.5, 0.5], "date": 5},
        {"models": ["power_law", "thermocap"], "weights": [0.5, 0.5], "more": 1},
        [],
        None,
    ],
)
def test_a_bad_ensemble_is_refused(client, body):
    told = client.post(f"{BASE}/ensemble", json=body)
    assert told.status_code == 400
    assert set(told.json()) == BODY


def test_a_body_that_is_no_json_or_too_long_is_refused(client):
    assert client.post(f"{BASE}/ensemble", content=b"{").status_code == 400
    assert client.post(f"{BASE}/ensemble", content=b"\xff\xfe").status_code == 400
    long = client.post(f"{BASE}/ensemble", content=b" " * 100_000)
    assert (long.status_code, long.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", BASE), ("DELETE", f"{BASE}/power-law"), ("GET", f"{BASE}/ensemble")]
)
def test_another_method_is_refused_with_those_that_are_allowed(client, method, path):
    told = client(method, path)
    assert (told.status_code, told.json()["code"]) == (405, "method_not_allowed")
    assert told.headers["allow"] in {"GET, HEAD", "POST"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("thermocap/predict?date=tomorrow", "query.date"),
        ("thermocap/predict?current_price=x", "query.current_price"),
        ("compare?models=power_law&models=", "query.models.1"),
    ],
)
def test_a_failure_names_the_input_alone(client, path, field):
    assert client.get(f"{BASE}/{path}").json()["detail"].startswith(f"field: {field}; ")


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("termocap/predict", "did you mean thermocap?"),
        ("backtest/stock_to_flw", "did you mean stock-to-flow?"),
        ("compare?models=mvrv-band", "did you mean mvrv-bands?"),
        ("zzzzzz/predict", "`bells models list` shows them"),
    ],
)
def test_an_unknown_model_is_answered_with_the_one_that_was_meant(client, path, fix):
    assert client.get(f"{BASE}/{path}").json()["detail"].endswith(f"fix: {fix}")


def test_a_body_without_its_type_is_told_which_header_to_send(client):
    asked = b'{"models": ["power_law", "thermocap"]}'
    told = client.post(f"{BASE}/ensemble", content=asked)
    assert told.status_code == 400
    assert told.json()["detail"].startswith("field: Content-Type; constraint: application/json")
    typed = {"Content-Type": "application/json"}
    assert client.post(f"{BASE}/ensemble", content=asked, headers=typed).status_code == 200
    broken = client.post(f"{BASE}/ensemble", content=b"{", headers=typed)
    assert "Content-Type" not in broken.json()["detail"]


def test_without_data_an_answer_says_how_to_get_them(keeper, source, client_of):
    from pipeline.errors import DataError, WarehouseBusyError

    client = client_of(keeper)
    assert "`bells data update` or `make run`" in client.get(f"{BASE}/power-law").json()["detail"]
    for trouble, fix in ((DataError("no rows", fix="do this"), "do this"),
                         (WarehouseBusyError("held", fix="PID 7"), "ask again when it is free")):  # fmt: skip
        source.trouble = trouble
        keeper.look()
        assert client.get(f"{BASE}/power-law").json()["detail"].endswith(f"fix: {fix}")


def test_a_missing_an_empty_and_an_older_warehouse_are_told_apart(tmp_path):
    from pipeline.errors import BellsError
    from service.api.refresh import WarehouseSource
    from warehouse.store import Warehouse

    warehouse = Warehouse(tmp_path / "warehouse.duckdb", now=lambda: NOW)
    source = WarehouseSource(warehouse, "sample", "any")
    with pytest.raises(BellsError, match=r"there is no warehouse yet.*`bells data update` or `make run`"):
        source.mark()
    warehouse.migrate()
    with pytest.raises(BellsError, match=r"no days of the chain.*`bells data update` or `make run`"):
        source.read(NOW)
    with warehouse.write() as cursor:
        cursor.execute("DROP TABLE valuation.board")
        cursor.execute("DELETE FROM meta.migrations WHERE number = (SELECT max(number) FROM meta.migrations)")
    with pytest.raises(BellsError, match=r"an older schema.*`bells data update` once"):
        source.board("sample", NOW)


def test_before_there_are_data_every_answer_that_needs_them_is_503(keeper, client_of):
    client = client_of(keeper)
    for path in ("/thermocap/predict", "/nothing/predict", "/power-law", "/power-law/predict",
                 "/power-law/history", "/backtest/thermocap", "/compare?models=thermocap"):  # fmt: skip
        told = client.get(BASE + path)
        assert (told.status_code, told.json()["code"]) == (503, "no_data"), path
        assert told.headers["retry-after"] == "1"
    assert client.post(f"{BASE}/power-law/recalibrate").status_code == 503
    listed = client.get(BASE)
    assert listed.status_code == 200
    assert "x-simulated" not in listed.headers
    assert not any(each["is_fitted"] for each in listed.json())
    assert client.get("/health").json()["status"] == "empty"


def test_a_fault_of_ours_has_the_same_body_and_keeps_its_secrets(ready, client, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("service.api.valuation.predicted", broken)
    told = client.get(f"{BASE}/thermocap/predict")
    assert told.status_code == 500
    assert set(told.json()) == BODY
    assert "secret" not in told.text
    assert told.json()["trace_id"] in caplog.text


def test_a_fault_in_the_work_is_tried_again_and_a_broken_rule_is_not(ready):
    from pipeline.errors import DataError
    from service.api.copy import Kept, Pool

    pool, kept, asked = Pool(1, 4), Kept(), []

    def work(failure):
        asked.append(failure)
        raise failure

    for failure in (MemoryError(), DataError("too few rows")):
        for _ in range(2):
            with pytest.raises(type(failure)):
                kept.get(type(failure), lambda failure=failure: work(failure), pool).result(timeout=10)
    assert [type(each) for each in asked] == [MemoryError, MemoryError, DataError]
    pool.close()


def test_too_much_waiting_work_is_refused_with_503(ready, client_of):
    from pipeline.errors import ResourceError
    from service.api.copy import Pool

    client = client_of(ready)
    pool = Pool(1, 1)
    object.__setattr__(client.app.state.service, "pool", pool)
    pool._held = 2
    told = client.get(f"{BASE}/backtest/thermocap?train_pct=0.31")
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    with pytest.raises(ResourceError, match="wait"):
        pool.submit(int)


def test_work_that_waits_is_refused_when_the_service_stops(ready, client_of):
    from concurrent.futures import Future

    client = client_of(ready)
    waiting = Future()
    waiting.cancel()
    waiting.set_running_or_notify_cancel()
    ready.state.copy.kept._found["backtest", "thermocap", None, None, 0.32] = waiting
    told = client.get(f"{BASE}/backtest/thermocap?train_pct=0.32")
    assert (told.status_code, told.json()["error"]) == (503, "the service is stopping")
    client.app.state.service.pool.close()
    told = client.get(f"{BASE}/backtest/thermocap?train_pct=0.33")
    assert (told.status_code, told.json()["error"]) == (503, "the service is stopping")
