"""Coin Metrics over real HTTP on loopback: pages, days that are not over, limits, and damaged answers."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.chain.days import PRICE_SCHEMA, empty
from pipeline.config import load_settings
from pipeline.errors import SourceError
from resources.chain.coinmetrics import METRICS, CoinMetrics
from resources.clock import SimulatedClock
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import LoopbackServer, as_json

ROOT = Path(__file__).parents[3]
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 1, 11, 13, tzinfo=UTC)
DAY = timedelta(days=1)
SETTINGS = load_settings(root=ROOT, environ={}).settings.chain.coinmetrics


def record(at):
    """One day as the interface writes it: numbers are texts, a metric without a value is absent."""
    values = {name: str(place + at.day) for place, name in enumerate(METRICS) if name != "CapMVRVCur"}
    return {"asset": "btc", "time": f"{at:%Y-%m-%dT00:00:00}.000000000Z", **values}


def interface(page=4, *, last=NOW):
    """Answer as documented: days up to the running one, a page at a time."""

    def answer(request):
        query = request.query
        assert set(query["metrics"].split(",")) == set(METRICS)
        start, end = (
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("start_time", "end_time")
        )
        days = [start + DAY * n for n in range((min(end, last) - start).days + 1)]
        skip = int(query.get("next_page_token", "0"))
        more = skip + page < len(days)
        told = {"data": [record(at) for at in days[skip : skip + page]]}
        if more:
            told |= {"next_page_token": str(skip + page), "next_page_url": "https://example.com/elsewhere"}
        return as_json(told)

    return answer


@pytest.fixture
def serve():
    servers = []

    def serve(handler, *, now=NOW, **how):
        clock = SimulatedClock(now)
        servers.append(LoopbackServer(handler, clock=clock, **how).__enter__())
        settings = SETTINGS.model_copy(
            update={"base_url": servers[-1].url, "first_day": FIRST, "timeout_s": 0.3}
        )
        source = CoinMetrics(settings, clock)
        source.server = servers[-1]
        return source

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def told(source, start=FIRST, end=NOW, now=NOW):
    return source.days(start, end, now=now, prices=empty(PRICE_SCHEMA)).frame


def test_all_pages_are_read_and_the_day_that_is_not_over_is_not_taken(serve):
    source = serve(interface())
    days = told(source)
    assert days["ts"].to_list() == [FIRST + DAY * n for n in range(10)]
    assert len(source.server.log) == 3
    assert {line.path for line in source.server.log} == {"/v4/timeseries/asset-metrics"}


def test_a_day_counts_as_published_only_after_its_lag(serve):
    early = datetime(2024, 1, 11, 11, 59, tzinfo=UTC)
    days = told(serve(interface()), now=early)
    assert days["ts"].to_list()[-1] == datetime(2024, 1, 9, tzinfo=UTC)
    assert days["known_at"].to_list()[-1] == datetime(2024, 1, 10, 12, tzinfo=UTC)


def test_numbers_are_ours_and_an_absent_metric_is_unknown(serve):
    row = told(serve(interface())).row(0, named=True)
    assert (row["price_usd"], row["block_count"], row["tx_count"]) == (1.0, 2, 9)
    assert row["mvrv"] is None
    assert row["height"] is None
    assert row["vintage"] == "latest_revision"


def test_only_the_window_is_asked_for(serve):
    source = serve(interface())
    days = told(source, FIRST + 3 * DAY, FIRST + 5 * DAY)
    assert days.height == 2
    query = source.server.log[0].query
    assert (query["start_time"], query["end_time"]) == ("2024-01-04", "2024-01-05")


def test_no_more_than_ten_requests_go_out_in_six_seconds(serve):
    source = serve(interface(page=1), now=NOW)
    told(source)
    at = [line.at for line in source.server.log]
    assert len(at) == 10
    assert min(later - first for first, later in pairwise(at)) >= 0.6 - 1e-9


@pytest.mark.parametrize("fault", LINE)
def test_every_fault_of_the_line_is_got_past(serve, fault):
    days = told(serve(interface(), faults=FaultPlan(script=(fault, None, fault)), slow_s=0.6))
    assert days.height == 10


@pytest.mark.parametrize(
    "document",
    [
        {"error": "nothing here"},
        {"data": [{"time": "yesterday"}]},
        {"data": [{"asset": "btc"}]},
        {"data": [{"time": "2024-01-01T00:00:00Z", "PriceUSD": "a lot"}]},
        {"data": [7]},
        {"data": [record(FIRST) | {"asset": "eth"}]},
        {"data": [record(FIRST) | {"time": "2024-01-01T05:00:00Z"}]},
        {"data": [record(FIRST) | {"PriceUSD": "Infinity"}]},
        {"data": [record(FIRST) | {"PriceUSD": "0"}]},
        {"data": [record(FIRST) | {"FeeTotNtv": "-1"}]},
        {"data": [record(FIRST) | {"BlkCnt": "1.5"}]},
        {"data": [record(FIRST), record(FIRST) | {"BlkCnt": "7"}]},
        {"data": [], "next_page_token": "again"},
        [],
    ],
)
def test_a_damaged_answer_is_an_error_and_no_day(serve, document):
    with pytest.raises(SourceError, match="coinmetrics"):
        told(serve(lambda request: as_json(document)))


@pytest.mark.parametrize("data", [[], [record(FIRST) | {"PriceUSD": None}]])
def test_an_empty_page_is_no_day_and_a_price_that_is_null_is_unknown(serve, data):
    days = told(serve(lambda request: as_json({"data": data})))
    assert days["price_usd"].to_list() == [None] * len(data)


def test_a_time_without_a_zone_is_utc_wherever_the_desk_stands(serve, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        days = told(serve(lambda request: as_json({"data": [record(FIRST) | {"time": "2024-01-01"}]})))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert days["ts"].to_list() == [FIRST]


def test_what_it_refuses_is_said_in_its_own_words(serve):
    refused = {"error": {"type": "forbidden", "message": "Requested metric is not available"}}
    with pytest.raises(SourceError) as caught:
        told(serve(lambda request: as_json(refused, 403)))
    assert "Requested metric is not available" in str(caught.value)


def test_a_history_that_begins_later_says_nothing_of_what_was_before(serve):
    source = serve(interface())
    assert source.origin.height is None
    assert source.origin.thermocap_usd != source.origin.thermocap_usd
