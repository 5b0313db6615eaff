"""The copy in memory: swapped whole, kept when the warehouse is busy, and how old it is."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from pipeline.errors import WarehouseBusyError
from service.api.refresh import BUSY
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
    source.trouble = WarehouseBusyError("the warehouse stayed busy, held by PID 7 (run --password x)")
    clock.advance(timedelta(seconds=40))
    keeper.look()
    client = client_of(keeper)
    told = client.get("/health").json()
    assert (told["status"], told["trouble"]) == ("stale", BUSY)
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


def test_failures_have_no_tag_and_are_not_kept(client):
    headers = client.get(f"{BASE}/nothing/predict").headers
    assert "etag" not in headers
    assert headers["cache-control"] == "no-store"
    assert client.get(BASE).headers["cache-control"] == "private, no-cache"


def test_head_answers_as_get_does_without_the_body(client):
    for path, status in ((BASE, 200), (f"{BASE}/nothing/predict", 404), (f"{BASE}/ensemble", 405)):
        got, head = client.get(path), client("HEAD", path)
        assert (head.status_code, head.content) == (status, b"")
        for name in ("etag", "content-type", "content-length"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    tag = client.get(BASE).headers["etag"]
    assert client("HEAD", BASE, headers={"If-None-Match": tag}).status_code == 304


def test_a_fit_on_request_holds_also_when_the_board_came_in_between(keeper, source, clock, monkeypatch):
    from service.api import refresh

    keeper.look()
    before = keeper.state.copy
    at_last = refresh.fitted

    def with_a_board_in_between(*asked):
        made = at_last(*asked)
        keeper._swap(lambda state: replace(state, copy=replace(state.copy, board="a board")))
        return made

    monkeypatch.setattr(refresh, "fitted", with_a_board_in_between)
    clock.advance(timedelta(days=1))
    told = keeper.recalibrate("power_law")
    assert told is keeper.state.copy
    assert (told.board, told.built_at - before.built_at) == ("a board", timedelta(days=1))


def test_a_fault_that_lasts_is_logged_once(keeper, source, monkeypatch, caplog):
    """A damaged file must not fill the log with a trace a second."""
    looks = []

    def broken():
        looks.append(1)
        if len(looks) == 5:
            keeper._stopped.set()
        raise ZeroDivisionError

    monkeypatch.setattr(source, "mark", broken)
    monkeypatch.setattr(keeper, "_poll_s", 0.0)
    keeper._run()
    assert len(looks) == 5
    assert caplog.text.count("could not be refreshed") == 1
    assert "ZeroDivisionError" in keeper.state.trouble


def test_the_counts_are_told_in_the_text_form(client):
    client.get(BASE)
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'bells_api_answers_total{status="404"} 1' in text
    assert "bells_api_copy_age_seconds 0" in text
