"""Requests that the schema itself breeds: every answer is one that the schema documents."""

import pytest
from fastapi.responses import JSONResponse

from benchmarks.api_fuzz import app_over, board_over, fuzz
from tests.support.chain_histories import simulated_history

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def history():
    return simulated_history(1200)


def test_no_request_meets_a_fault_or_an_answer_beside_the_schema(history):
    found = fuzz(app_over(history, board_over(history)), examples=15)
    assert found.violations == []
    assert found.server_errors == 0
    assert {200, 400, 404} <= set(found.statuses)
    assert found.cases > 150


def test_the_check_sees_a_fault_and_an_undocumented_answer(history, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr("service.api.power_law._line", broken)
    monkeypatch.setattr("service.api.valuation.answer", lambda _record: JSONResponse({"wrong": 1}))
    found = fuzz(app_over(history), examples=5)
    assert found.server_errors > 0
    assert any("/{name}/predict" in each or "/ensemble" in each for each in found.violations)
