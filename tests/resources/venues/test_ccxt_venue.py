"""Binance, Kraken and Coinbase through the real ccxt, against loopback venues that speak their formats."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.errors import ComponentNotFoundError, SourceError
from resources.clock import SimulatedClock
from resources.market.mapping import LENGTHS
from resources.venues.ccxt_venue import FACTS, CcxtVenue
from resources.venues.patience import Patience
from resources.venues.port import venue_bar_schema
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import Reply, as_json
from tests.support.loopback.venues import NOW, OWN, stamps_of, true_bars, venue_at

HOUR = timedelta(hours=1)
START = datetime(2024, 2, 20, tzinfo=UTC)
CLOSED = datetime(2024, 3, 1, 10, tzinfo=UTC)
EXCHANGES = ("binance", "kraken", "coinbase")
BARS = {"binance": "klines", "kraken": "OHLC", "coinbase": "candles"}


def hours(first, end):
    return [first + n * HOUR for n in range((end - first) // HOUR)]


def asked_for(line, what):
    return [entry for entry in line.log if what in entry.path]


@pytest.mark.parametrize("name", EXCHANGES)
def test_closed_bars_of_a_window_are_all_there_in_the_columns_of_the_port(name):
    with venue_at(name) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert dict(told.rows.schema) == dict(venue_bar_schema())
    assert told.rows.rows() == true_bars(OWN[name], hours(START, CLOSED))
    assert (told.adjustment, told.findings, venue.name) == ("raw", (), name)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_forming_bar_is_told_and_the_venue_clock_with_it(name):
    with venue_at(name) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, NOW)
    assert stamps_of(told.rows)[-1] == CLOSED
    assert told.rows.rows()[-1] != true_bars(OWN[name], [CLOSED])[0]
    assert abs(told.server_time - NOW) < timedelta(seconds=5)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_lengths_on_offer_are_those_of_ccxt(name):
    import ccxt

    offered = getattr(ccxt, name)().timeframes
    assert set(FACTS[name].lengths) == set(LENGTHS) & set(offered)


@pytest.mark.parametrize(("name", "requests"), [("binance", 3), ("coinbase", 8)])
def test_pages_follow_each_other_without_gap_or_overlap(name, requests):
    start = CLOSED - 2400 * HOUR
    with venue_at(name) as (venue, line):
        told = venue.bars("BTC/USD", "1h", start, CLOSED)
    assert told.rows.rows() == true_bars(OWN[name], hours(start, CLOSED))
    assert len(asked_for(line, BARS[name])) == requests


@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_an_outage_longer_than_a_page_does_not_end_the_walk(name):
    hole = (CLOSED - 1500 * HOUR, CLOSED - 300 * HOUR)
    start = CLOSED - 2000 * HOUR
    with venue_at(name, holes=[hole]) as (venue, _):
        told = venue.bars("BTC/USD", "1h", start, CLOSED)
    assert stamps_of(told.rows) == hours(start, hole[0]) + hours(hole[1], CLOSED)


@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_a_window_before_the_listing_has_no_rows(name):
    with venue_at(name, listed=CLOSED - 5 * HOUR) as (venue, _):
        assert venue.bars("BTC/USD", "1h", START, START + 9 * HOUR).rows.is_empty()
        assert venue.bars("BTC/USD", "1h", START, CLOSED).rows.height == 5


def test_a_window_that_begins_before_krakens_reach_says_what_is_missing():
    with venue_at("kraken") as (venue, line):
        told = venue.bars("BTC/USD", "1h", CLOSED - 1000 * HOUR, CLOSED)
    first = CLOSED - 719 * HOUR
    assert stamps_of(told.rows) == hours(first, CLOSED)
    assert [(f.rule, f.last) for f in told.findings] == [("venue_limit", first)]
    assert len(asked_for(line, "OHLC")) == 1


def test_a_window_out_of_krakens_reach_is_refused():
    with venue_at("kraken") as (venue, _), pytest.raises(SourceError, match="reaches back 720 bars"):
        venue.bars("BTC/USD", "1h", CLOSED - 1000 * HOUR, CLOSED - 900 * HOUR)


@pytest.mark.parametrize("fault", LINE)
@pytest.mark.parametrize("name", EXCHANGES)
def test_a_passing_fault_of_the_line_is_asked_again_and_changes_nothing(name, fault):
    plan = FaultPlan(script=(fault,), only=BARS[name])
    with venue_at(name, faults=plan) as (venue, line):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert told.rows.rows() == true_bars(OWN[name], hours(START, CLOSED))
    first, second = asked_for(line, BARS[name])
    assert second.at - first.at >= (3.0 if fault.startswith("429") else 1.0)


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_venue_that_stays_down_is_asked_four_times_and_can_be_asked_later(name):
    plan = FaultPlan(script=("502",) * 4, only=BARS[name])
    with venue_at(name, faults=plan) as (venue, line):
        with pytest.raises(SourceError) as caught:
            venue.bars("BTC/USD", "1h", START, CLOSED)
        assert isinstance(caught.value.__cause__, ConnectionError)
        times = [entry.at for entry in asked_for(line, BARS[name])]
        assert [b - a for a, b in pairwise(times)] == [1.0, 2.0, 4.0]
        assert venue.bars("BTC/USD", "1h", START, CLOSED).rows.height == len(hours(START, CLOSED))


def test_markets_are_loaded_once_and_with_the_same_patience():
    plan = FaultPlan(script=("503",), only="exchangeInfo")
    with venue_at("binance", faults=plan) as (venue, line):
        for _ in range(3):
            venue.bars("BTC/USD", "1h", START, CLOSED)
    assert [entry.status for entry in asked_for(line, "exchangeInfo")] == [503, 200]


@pytest.mark.parametrize("name", EXCHANGES)
def test_requests_keep_their_distance(name):
    with venue_at(name, spacing_s=2.0) as (venue, line):
        venue.bars("BTC/USD", "1h", CLOSED - 700 * HOUR, CLOSED)
        venue.bars("BTC/USD", "1h", START, CLOSED)
    times = [entry.at for entry in line.log]
    assert min(b - a for a, b in pairwise(times)) >= 2.0


@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_an_earlier_page_instead_of_the_next_is_asked_again(name):
    start = CLOSED - 1100 * HOUR
    plan = FaultPlan(script=(None, "repeated"), only=BARS[name])
    with venue_at(name, faults=plan) as (venue, _):
        told = venue.bars("BTC/USD", "1h", start, CLOSED)
    assert plan.drawn == {"repeated": 1}
    assert told.rows.rows() == true_bars(OWN[name], hours(start, CLOSED))


@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_pages_that_never_move_on_end_in_an_error(name):
    plan = FaultPlan(script=(None, *["repeated"] * 50), only=BARS[name])
    with venue_at(name, faults=plan) as (venue, line):
        with pytest.raises(SourceError, match="makes no progress"):
            venue.bars("BTC/USD", "1h", CLOSED - 1100 * HOUR, CLOSED)
        assert len(asked_for(line, BARS[name])) < 8


@pytest.mark.parametrize("name", ["binance", "coinbase"])
def test_a_page_that_overlaps_the_one_before_brings_no_row_twice(name):
    start = CLOSED - 1100 * HOUR
    plan = FaultPlan(script=(None, "overlap"), only=BARS[name])
    with venue_at(name, faults=plan) as (venue, _):
        told = venue.bars("BTC/USD", "1h", start, CLOSED)
    assert told.rows.rows() == true_bars(OWN[name], hours(start, CLOSED))
    assert [(f.rule, f.count) for f in told.findings] == [("repeated_rows", 3)]


@pytest.mark.parametrize("name", EXCHANGES)
def test_rows_out_of_order_stay_as_they_came(name):
    with venue_at(name, faults=FaultPlan(script=("out_of_order",), only=BARS[name])) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert stamps_of(told.rows) != hours(START, CLOSED)
    assert sorted(told.rows.rows()) == true_bars(OWN[name], hours(START, CLOSED))


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_cell_that_is_no_number_is_null_and_shown_as_it_came(name):
    with venue_at(name, faults=FaultPlan(script=("wrong_types",), only=BARS[name])) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert stamps_of(told.rows) == hours(START, CLOSED)
    assert told.rows.filter(told.rows["open"].is_null() | told.rows["close"].is_null()).height == 1
    (finding,) = told.findings
    assert (finding.rule, finding.count) == ("unreadable_cells", 1)
    assert any(text in finding.reason for text in ("n/a", "{'price': 1}", "unknown"))


def test_rows_without_a_readable_time_do_not_vanish():
    rows = [["soon", "1", "1", "1", "1", "1"], [], "junk", 7, None]
    good = [int(START.timestamp()) * 1000, "1", "2", "0.5", "1.5", "10"]

    def handler(request):
        return as_json([good, *rows] if "klines" in request.path else _INFO)

    with venue_at("binance", handler=handler) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, START + HOUR)
    assert told.rows["open_at"].null_count() == len(rows)
    assert told.rows.rows()[0] == (START, 1.0, 2.0, 0.5, 1.5, 10.0)


def test_rows_outside_of_the_window_are_left_out_and_counted():
    def handler(request):
        if "klines" not in request.path:
            return as_json(_INFO)
        first = int(request.query["startTime"])
        return as_json([[at, "1", "2", "0.5", "1.5", "10"] for at in (first // 1000, first)])

    with venue_at("binance", handler=handler) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, START + HOUR)
    assert stamps_of(told.rows) == [START]
    assert [(f.rule, f.count) for f in told.findings] == [("outside_window", 1)]


@pytest.mark.parametrize("answer", [{}, {"rows": []}, {"code": 0}])
def test_an_answer_of_another_shape_is_not_taken_for_no_data(answer):
    def handler(request):
        return as_json(answer if "klines" in request.path else _INFO)

    with venue_at("binance", handler=handler) as (venue, _), pytest.raises(SourceError):
        venue.bars("BTC/USD", "1h", START, CLOSED)


@pytest.mark.parametrize("markets", [[], {"symbols": "many"}, {"symbols": [{"symbol": 7}]}])
def test_a_list_of_markets_that_makes_no_sense_is_a_source_error(markets):
    answer = as_json(markets)
    with venue_at("binance", handler=lambda _: answer) as (venue, _), pytest.raises(SourceError):
        venue.bars("BTC/USD", "1h", START, CLOSED)


@pytest.mark.parametrize(
    ("status", "word"), [(403, "serve this place"), (451, "serve this place"), (404, "")]
)
def test_a_refusal_is_not_asked_again(status, word):
    def handler(request):
        return (
            Reply(status, b'{"msg": "restricted location"}') if "klines" in request.path else as_json(_INFO)
        )

    with venue_at("binance", handler=handler) as (venue, line):
        with pytest.raises(SourceError) as caught:
            venue.bars("BTC/USD", "1h", START, CLOSED)
        assert len(asked_for(line, "klines")) == 1
    assert f"HTTP status {status}" in str(caught.value)
    assert word in caught.value.fix


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_symbol_that_the_venue_does_not_list_is_named(name):
    with venue_at(name, symbols={"XXX/USD": "XXX/USD"}) as (venue, line):
        with pytest.raises(SourceError, match="does not list the symbol"):
            venue.bars("XXX/USD", "1h", START, CLOSED)
        assert not asked_for(line, BARS[name])


def test_a_symbol_without_translation_is_refused_without_a_request():
    with venue_at("binance") as (venue, line):
        with pytest.raises(SourceError, match="no translation"):
            venue.bars("SOL/USD", "1h", START, CLOSED)
        assert not line.log


def test_a_length_that_is_not_on_offer_is_refused():
    with venue_at("coinbase") as (venue, _), pytest.raises(SourceError, match="no bars of that length"):
        venue.bars("BTC/USD", "4h", START, CLOSED)


@pytest.mark.parametrize(("seconds", "found"), [(2, []), (60, ["clock_skew"]), (-60, ["clock_skew"])])
def test_a_clock_that_differs_by_more_than_five_seconds_is_a_finding(seconds, found):
    with venue_at("binance", skew=timedelta(seconds=seconds)) as (venue, _):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert [f.rule for f in told.findings] == found
    assert abs(told.server_time - NOW - timedelta(seconds=seconds)) < timedelta(seconds=3)


@pytest.mark.parametrize("name", EXCHANGES)
def test_without_a_date_the_venues_own_endpoint_tells_the_time(name):
    with venue_at(name, skew=timedelta(seconds=30), dated=False) as (venue, line):
        told = venue.bars("BTC/USD", "1h", START, CLOSED)
    assert abs(told.server_time - NOW - timedelta(seconds=30)) < timedelta(seconds=3)
    assert asked_for(line, "ime")


def test_a_retry_after_longer_than_a_minute_is_not_waited_for_and_not_disturbed():
    plan = FaultPlan(script=("429_seconds",), only="klines")
    with venue_at("binance", faults=plan, retry_after_s=7200) as (venue, line):
        for _ in range(2):
            with pytest.raises(SourceError, match="asks to wait 7"):
                venue.bars("BTC/USD", "1h", START, CLOSED)
        assert len(asked_for(line, "klines")) == 1
        line.clock.advance(timedelta(hours=2))
        assert venue.bars("BTC/USD", "1h", START, CLOSED).rows.height


def test_an_exchange_that_is_not_known_is_named():
    clock = SimulatedClock(NOW)
    with pytest.raises(ComponentNotFoundError, match="binance, kraken, coinbase"):
        CcxtVenue("mtgox", symbols={}, patience=Patience(clock))


_INFO = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "filters": [],
            "permissions": [],
            "isSpotTradingAllowed": True,
        }
    ]
}
