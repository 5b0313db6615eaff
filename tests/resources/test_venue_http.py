"""JSON over HTTP: what may pass is asked again, what is refused is said, and no secret is ever shown."""

import logging
import socket
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import ConfigError, SourceError
from resources.clock import SimulatedClock, SystemClock
from resources.venues import http
from resources.venues.http import JsonAsker
from resources.venues.patience import PassingError, Patience
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import LoopbackServer, Reply, Request, as_json

NOW = datetime(2024, 7, 10, 14, tzinfo=UTC)
KEY = "s3cret/key+with=signs"


def echo(request: Request) -> Reply:
    return as_json({"path": request.path, "query": dict(request.query)})


@pytest.fixture
def clock():
    return SimulatedClock(NOW)


@pytest.fixture
def venue(clock):
    """Return a function that serves a handler and gives the server and an asker for it."""
    opened = []

    def open_(handler=echo, *, secrets=None, **how):
        server = LoopbackServer(handler, clock=clock, **how).__enter__()
        opened.append(server)
        patience = Patience(clock)
        asker = JsonAsker("venue", server.url, patience, timeout_s=0.25, secrets=secrets)
        return server, asker, patience

    yield open_
    for server in opened:
        server.__exit__(None, None, None)


def test_an_answer_brings_its_document_and_the_venues_time(venue, clock):
    _, asker, _ = venue()
    answer = asker.get("/a/b", {"x": 1, "y": "^z"}, about="SPY")
    assert answer.document == {"path": "/a/b", "query": {"x": "1", "y": "^z"}}
    assert answer.server_time == NOW == answer.received_at


@pytest.mark.parametrize("fault", LINE)
def test_a_fault_of_the_line_is_asked_past(venue, clock, fault):
    server, asker, patience = venue(faults=FaultPlan(script=(fault,)))
    assert asker.get("/a", {}, about="SPY").document == {"path": "/a", "query": {}}
    assert (patience.requests, len(server.log)) == (2, 2)
    waited = clock.now() - NOW
    asked_for = 3 if fault.startswith("429") else 1
    assert waited == timedelta(seconds=asked_for)


@pytest.mark.parametrize("fault", LINE)
def test_a_venue_that_stays_down_is_given_up_after_four_tries(venue, clock, fault):
    _, asker, patience = venue(faults=FaultPlan(rate=1.0, kinds=(fault,)))
    with pytest.raises(SourceError, match="did not deliver") as caught:
        asker.get("/a", {}, about="SPY")
    assert isinstance(caught.value.__cause__, PassingError)
    assert patience.requests == 4
    assert clock.now() - NOW <= timedelta(seconds=3 + 3 + 4)


def test_a_pause_longer_than_a_minute_is_not_waited_for(venue, clock):
    _, asker, patience = venue(faults=FaultPlan(script=("429_seconds",)), retry_after_s=3600)
    with pytest.raises(SourceError, match="3600 s"):
        asker.get("/a", {}, about="SPY")
    assert (patience.requests, clock.now()) == (1, NOW)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301])
def test_a_refusal_is_said_in_the_venues_words_and_not_repeated(venue, status):
    words = {"chart": {"result": None, "error": {"code": "x", "description": "No data found"}}}
    _, asker, patience = venue(lambda request: as_json(words, status))
    with pytest.raises(SourceError, match=f"refuses SPY .HTTP {status}") as caught:
        asker.get("/a", {}, about="SPY")
    assert caught.value.value == "No data found"
    assert caught.value.__cause__ is None
    assert patience.requests == 1


def test_an_error_page_is_quoted_in_one_short_line(venue):
    page = Reply(403, b"<html>\n<body>\n" + b"go away " * 200 + b"</body></html>")
    _, asker, _ = venue(lambda request: page)
    with pytest.raises(SourceError) as caught:
        asker.get("/a", {}, about="SPY")
    assert "go away go away" in caught.value.value
    assert "\n" not in caught.value.value
    assert len(caught.value.value) <= 200


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("fault", [*LINE, "refused"])
def test_no_failure_and_no_log_shows_a_secret(venue, fault, caplog):
    def tell(request: Request) -> Reply:
        key = request.query["api_key"]
        return as_json({"error_message": f"The value {key} is not registered"}, 400)

    caplog.set_level(logging.DEBUG)
    plan = FaultPlan() if fault == "refused" else FaultPlan(rate=1.0, kinds=(fault,))
    server, asker, _ = venue(tell, faults=plan, secrets={"api_key": KEY})
    with pytest.raises(SourceError) as caught:
        asker.get("/a", {"x": "y"}, about="SPY")
    assert server.log[0].query == {"x": "y", "api_key": KEY}
    everything = shown(caught.value) + caplog.text + repr(caught.value) + str(caught.value.to_dict())
    assert "s3cret" not in everything
    assert "httpx" in caplog.text or fault in {"closed", "slow"}


def test_a_repeated_secret_is_masked_in_what_the_venue_says(venue):
    _, asker, _ = venue(
        lambda r: as_json({"message": f"no {r.query['api_key']}!"}, 400), secrets={"api_key": KEY}
    )
    with pytest.raises(SourceError) as caught:
        asker.get("/a", {}, about="SPY")
    assert caught.value.value == "no ***!"


def test_a_password_in_the_address_is_not_shown(clock):
    asker = JsonAsker("venue", "http://me:passw0rd@127.0.0.1:9", Patience(clock))
    assert asker.address("/a") == "http://***@127.0.0.1:9/a"


def test_nobody_there_is_out_of_reach(clock):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        asker = JsonAsker("venue", f"http://127.0.0.1:{taken.getsockname()[1]}", Patience(clock))
        with pytest.raises(SourceError, match="ConnectError"):
            asker.get("/a", {}, about="SPY")


def test_an_address_without_scheme_is_a_wrong_configuration(clock):
    with pytest.raises(ConfigError, match="base_url"):
        JsonAsker("venue", "query1.finance.yahoo.com", Patience(clock))


def test_an_answer_that_never_ends_is_cut(venue, monkeypatch):
    monkeypatch.setattr(http, "MOST_BYTES", 1000)
    _, asker, _ = venue(lambda request: Reply(200, b"[" + b"1," * 5000 + b"1]"))
    with pytest.raises(SourceError, match="larger than"):
        asker.get("/a", {}, about="SPY")


def test_an_answer_that_drips_is_cut(monkeypatch):
    monkeypatch.setattr(http, "LONGEST_ANSWER_S", 0.0)
    clock = SystemClock()
    with LoopbackServer(echo, clock=clock) as server:
        asker = JsonAsker("venue", server.url, Patience(clock, delays_s=()))
        with pytest.raises(SourceError, match="takes longer than"):
            asker.get("/a", {}, about="SPY")


def test_json_nested_beyond_reason_is_a_broken_answer(venue):
    _, asker, _ = venue(lambda request: Reply(200, b"[" * 200_000))
    with pytest.raises(SourceError, match="no JSON"):
        asker.get("/a", {}, about="SPY")
