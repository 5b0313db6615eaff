"""The copy in memory: swapped whole, kept when the warehouse is busy, and how old it is."""

from datetime import timedelta

import numpy as np

from pipeline.errors import WarehouseBusyError
from tests.support.chain_histories import simulated_history

BASE = "/api/v1/models"


def test_a_copy_is_read_once_and_only_confirmed_while_the_mark_stays(keeper, source, clock):
    keeper.look()
    first = keeper.state
    clock.advance(timedelta(seconds=1))
    keeper.look()
    assert source.reads == 1
    assert keeper.state.copy is first.copy
    assert keeper.state.confirmed_at == first.confirmed_at + timedelta(seconds=1)


def test_new_rows_replace_the_copy_and_its_models(keeper, source):
    keeper.look()
    old = keeper.state.copy
    source.history, source.number = simulated_history(1501), 1
    keeper.look()
    new = keeper.state.copy
    assert new is not old
    assert new.history.n == old.history.n + 1
    assert new.models["power_law"].fitted.parameters.n == 1501
    assert old.models["power_law"].fitted.parameters.n == 1500


def test_a_write_that_changed_no_row_keeps_the_copy(keeper, source):
    keeper.look()
    old = keeper.state.copy
    source.number = 1
    keeper.look()
    assert (source.reads, keeper.state.copy) == (2, old)


def test_rows_that_become_known_without_a_write_are_found_within_a_minute(keeper, source, clock):
    keeper.look()
    clock.advance(timedelta(seconds=61))
    keeper.look()
    assert source.reads == 2


def test_a_busy_warehouse_keeps_the_old_copy_and_health_says_so(keeper, source, clock, client_of):
    keeper.look()
    source.trouble = WarehouseBusyError("the warehouse is busy")
    clock.advance(timedelta(seconds=40))
    keeper.look()
    client = client_of(keeper)
    told = client.get("/health").json()
    assert (told["status"], told["trouble"]) == ("stale", "the warehouse is busy")
    answer = client.get(f"{BASE}/power-law")
    assert answer.status_code == 200
    assert float(answer.headers["x-age-s"]) == 40.0
    source.trouble = None
    keeper.look()
    assert client.get("/health").json()["trouble"] is None


def test_data_that_ended_days_ago_are_stale(keeper, clock, client_of):
    keeper.look()
    client = client_of(keeper)
    assert client.get("/health").json()["status"] == "ok"
    clock.advance(timedelta(days=4))
    keeper.look()
    assert client.get("/health").json()["status"] == "stale"


def test_a_copy_with_a_model_that_cannot_be_fitted_still_serves_the_others(keeper, source, client_of):
    columns = dict(source.history.columns)
    columns["mvrv"] = np.full(source.history.n, np.nan)
    columns["realized_cap_usd"] = np.full(source.history.n, np.nan)
    source.history = type(source.history)(source.history.date, source.history.known_at, columns)
    keeper.look()
    client = client_of(keeper)
    assert client.get(f"{BASE}/mvrv-bands/predict").status_code == 503
    assert client.get(f"{BASE}/power-law").status_code == 200
    assert client.get("/health").json()["models"]["mvrv_bands"]


def test_every_answer_says_how_old_it_is(client):
    for path in ("/health", BASE, f"{BASE}/power-law", f"{BASE}/nothing/predict"):
        headers = client.get(path).headers
        assert headers["x-as-of"] == "2014-08-28T12:00:00+00:00", path
        assert headers["x-age-s"] == "0.000"


def test_an_answer_that_has_not_changed_is_304_without_a_body(client):
    first = client.get(f"{BASE}/power-law")
    tag = first.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(f"{BASE}/power-law", headers={"If-None-Match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = client.get(f"{BASE}/power-law", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.json()) == (200, first.json())


def test_failures_have_no_tag(client):
    assert "etag" not in client.get(f"{BASE}/nothing/predict").headers


def test_the_counts_are_told_in_the_text_form(client):
    client.get(BASE)
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'bells_api_answers_total{status="404"} 1' in text
    assert "bells_api_copy_age_seconds 0" in text
