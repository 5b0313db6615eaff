"""Alpaca through the real alpaca-py, against a loopback venue that speaks its format."""

import traceback
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.errors import ConfigError, SourceError
from resources.clock import SimulatedClock
from resources.venues.alpaca_venue import AlpacaVenue
from resources.venues.patience import Patience
from resources.venues.port import action_schema, venue_bar_schema
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import LoopbackServer, Reply, as_json
from tests.support.loopback.venues import NOW, true_bars, venue_at

DAY, HALF = timedelta(days=1), timedelta(minutes=30)
START = datetime(2024, 2, 20, tzinfo=UTC)
END = datetime(2024, 3, 1, tzinfo=UTC)
CLOSED = datetime(2024, 3, 1, 10, tzinfo=UTC)
ACTIONS = {
    "forward_splits": [{"symbol": "AAA", "old_rate": 1, "new_rate": 4, "ex_date": "2024-02-21"}],
    "reverse_splits": [{"symbol": "AAA", "old_rate": 10, "new_rate": 1, "ex_date": "2024-02-28"}],
    "cash_dividends": [
        {"symbol": "AAA", "rate": 0.24, "special": False, "foreign": False, "ex_date": "2024-02-23"},
        {"symbol": "AAA", "rate": 0.11, "special": False, "foreign": True, "ex_date": "2024-02-26"},
        {"symbol": "BBB", "rate": 9.0, "special": False, "foreign": False, "ex_date": "2024-02-26"},
        {"symbol": "AAA", "rate": 0.25, "special": False, "foreign": False, "ex_date": "2024-03-01"},
    ],
}


def halves(first, end):
    return [first + n * HALF for n in range((end - first) // HALF)]


def test_daily_bars_open_at_midnight_utc_of_their_session_in_summer_and_winter():
    start, end = datetime(2023, 10, 30, tzinfo=UTC), datetime(2023, 11, 11, tzinfo=UTC)  # clocks change on 5
    with venue_at("alpaca") as (venue, line):
        told = venue.bars("AAA", "1d", start, end)
    sessions = [start + n * DAY for n in range(12) if (start + n * DAY).weekday() < 5]
    assert told.rows.rows() == true_bars("AAA", sessions)
    assert (told.adjustment, told.findings) == ("raw", ())
    assert (line.log[0].query["adjustment"], line.log[0].query["feed"]) == ("raw", "iex")


def test_pages_are_followed_by_their_token():
    start = CLOSED - 700 * HALF
    with venue_at("alpaca", fake={"page": 100}) as (venue, line):
        told = venue.bars("AAA", "30m", start, CLOSED)
    assert told.rows.rows() == true_bars("AAA", halves(start, CLOSED))
    assert len(line.log) == 7
    assert dict(told.rows.schema) == dict(venue_bar_schema())


def test_coins_need_no_keys_and_have_no_actions():
    with venue_at("alpaca", market="crypto") as (venue, _):
        told = venue.bars("BTC/USD", "30m", START, END)
        assert told.rows.rows() == true_bars("BTC/USD", halves(START, END))
        assert venue.actions("BTC/USD", START, END) is None
        assert "1d" not in venue.lengths


@pytest.mark.parametrize("fault", LINE)
def test_a_passing_fault_of_the_line_is_asked_again_and_changes_nothing(fault):
    plan = FaultPlan(script=(None, fault))
    with venue_at("alpaca", faults=plan, fake={"page": 100}) as (venue, line):
        told = venue.bars("AAA", "30m", START, START + 150 * HALF)
    assert told.rows.rows() == true_bars("AAA", halves(START, START + 150 * HALF))
    assert len(line.log) == 3
    assert line.log[2].at - line.log[1].at >= (3.0 if fault.startswith("429") else 1.0)


def test_a_venue_that_stays_down_is_asked_four_times_not_more():
    with venue_at("alpaca", faults=FaultPlan(script=("429_seconds", *["503"] * 9))) as (venue, line):
        with pytest.raises(SourceError) as caught:
            venue.bars("AAA", "1d", START, END)
        assert len(line.log) == 4
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("script", [(None, "repeated"), (None, "repeated", "repeated", "502")])
def test_an_earlier_page_instead_of_the_next_is_asked_again(script):
    start = CLOSED - 300 * HALF
    with venue_at("alpaca", faults=FaultPlan(script=script), fake={"page": 100}) as (venue, _):
        assert venue.bars("AAA", "30m", start, CLOSED).rows.rows() == true_bars("AAA", halves(start, CLOSED))


def test_a_page_of_an_earlier_call_is_not_taken_for_an_answer():
    plan = FaultPlan(script=(None, "repeated"))
    with venue_at("alpaca", faults=plan) as (venue, _):
        venue.bars("AAA", "30m", START, START + DAY)
        told = venue.bars("AAA", "30m", START + DAY, START + 2 * DAY)
    assert plan.drawn == {"repeated": 1}
    assert told.rows.rows() == true_bars("AAA", halves(START + DAY, START + 2 * DAY))


def test_pages_that_overlap_bring_no_row_twice():
    start = CLOSED - 150 * HALF
    with venue_at("alpaca", faults=FaultPlan(script=(None, "overlap")), fake={"page": 100}) as (venue, _):
        told = venue.bars("AAA", "30m", start, CLOSED)
    assert told.rows.rows() == true_bars("AAA", halves(start, CLOSED))
    assert [(f.rule, f.count) for f in told.findings] == [("repeated_rows", 3)]


def test_tokens_in_a_circle_end_in_an_error():
    def handler(request):
        place = int(request.query.get("page_token", "0"))
        at = START + place * HALF
        row = {"t": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "o": 1, "h": 2, "l": 0.5, "c": 1, "v": 9}
        return as_json({"bars": {"AAA": [row]}, "next_page_token": str((place + 1) % 3 or 1)})

    with venue_at("alpaca", handler=handler) as (venue, line):
        with pytest.raises(SourceError, match="in a circle"):
            venue.bars("AAA", "30m", START, END)
        assert len(line.log) == 3


def test_cells_of_the_wrong_type_are_null_and_shown_as_they_came():
    rows = [
        {"t": "2024-02-21T05:00:00Z", "o": "1.5", "h": None, "l": True, "c": [1], "v": 10},
        {"t": 20240222, "o": 1, "h": 2, "l": 0.5, "c": 1, "v": 10},
        {"o": 1, "h": 2, "l": 0.5, "c": 1, "v": 10},
        "junk",
        {"t": "2024-02-23T05:00:00Z", "o": 1, "h": 2, "l": 0.5, "c": 1.5, "v": 10},
    ]
    answer = as_json({"bars": {"AAA": rows}, "next_page_token": None})
    with venue_at("alpaca", handler=lambda _: answer) as (venue, _):
        told = venue.bars("AAA", "1d", START, END)
    assert told.rows.height == len(rows)
    assert told.rows["open_at"].null_count() == 3
    assert told.rows.rows()[0] == (datetime(2024, 2, 21, tzinfo=UTC), None, None, None, None, 10.0)
    assert told.rows.rows()[-1] == (datetime(2024, 2, 23, tzinfo=UTC), 1.0, 2.0, 0.5, 1.5, 10.0)
    (finding,) = told.findings
    assert (finding.rule, finding.count) == ("unreadable_cells", 4)
    assert "'h': None" in finding.reason


@pytest.mark.parametrize("answer", [{}, {"bars": 7}, {"bars": {"AAA": 7}}, {"message": "hello"}, [1], 7])
def test_an_answer_of_another_shape_is_not_taken_for_no_data(answer):
    with venue_at("alpaca", handler=lambda _: as_json(answer)) as (venue, _), pytest.raises(SourceError):
        venue.bars("AAA", "1d", START, END)


def test_a_symbol_without_bars_has_no_rows():
    with venue_at("alpaca") as (venue, _):
        assert venue.bars("ZZZ", "1d", START, END).rows.is_empty()


@pytest.mark.parametrize(
    ("status", "fix"),
    [(401, "check the keys"), (403, "check the keys"), (400, "check the symbol"), (422, "")],
)
def test_a_refusal_is_not_asked_again(status, fix):
    def handler(_):
        return Reply(status, b'{"message": "subscription does not permit querying recent SIP data"}')

    with venue_at("alpaca", handler=handler) as (venue, line):
        with pytest.raises(SourceError, match="subscription") as caught:
            venue.bars("AAA", "1d", START, END)
        assert len(line.log) == 1
    assert fix in caught.value.fix


@pytest.mark.parametrize(("seconds", "found"), [(2, []), (60, ["clock_skew"])])
def test_a_clock_that_differs_by_more_than_five_seconds_is_a_finding(seconds, found):
    with venue_at("alpaca", skew=timedelta(seconds=seconds)) as (venue, _):
        told = venue.bars("AAA", "1d", START, END)
    assert [f.rule for f in told.findings] == found
    assert abs(told.server_time - NOW - timedelta(seconds=seconds)) < timedelta(seconds=3)


def test_splits_and_dividends_of_the_window_are_told_as_new_shares_and_cash():
    with venue_at("alpaca", fake={"actions": ACTIONS}) as (venue, _):
        told = venue.actions("AAA", START, END)
    assert dict(told.schema) == dict(action_schema())
    assert told.select("kind", pl.col("ts").dt.day(), "value", "currency").rows() == [
        ("split", 21, 4.0, None),
        ("dividend", 23, 0.24, "USD"),
        ("dividend", 26, 0.11, None),
        ("split", 28, 0.1, None),
    ]
    assert told["declared_at"].null_count() == 4


def test_an_ordinary_and_a_special_dividend_of_one_day_are_told_as_their_sum():
    ordinary = {**ACTIONS["cash_dividends"][0], "rate": 0.25}
    special = {**ordinary, "special": True}
    with venue_at("alpaca", fake={"actions": {"cash_dividends": [ordinary, special, ordinary]}}) as (
        venue,
        _,
    ):
        told = venue.actions("AAA", START, END)
    assert told.select("kind", "value", "currency").rows() == [("dividend", 0.5, "USD")]


@pytest.mark.parametrize("change", [{"new_rate": "x"}, {"old_rate": 0}, {"ex_date": "soon"}])
def test_an_action_that_cannot_be_read_is_an_error(change):
    record = {**ACTIONS["forward_splits"][0], **change}
    answer = as_json({"corporate_actions": {"forward_splits": [record]}, "next_page_token": None})
    with (
        venue_at("alpaca", handler=lambda _: answer) as (venue, _),
        pytest.raises(SourceError, match="cannot be read"),
    ):
        venue.actions("AAA", START, END)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "MY_KEY and MY_SECRET"),
        ({"MY_KEY": "k"}, "MY_SECRET"),
        ({"MY_KEY": "", "MY_SECRET": "s"}, "MY_KEY"),
    ],
)
def test_missing_keys_are_named_with_the_variables_of_the_configuration(environ, named):
    names = {"key_env": "MY_KEY", "secret_env": "MY_SECRET"}
    with pytest.raises(ConfigError) as caught:
        AlpacaVenue(patience=Patience(SimulatedClock(NOW)), environ=environ, **names)
    assert f"export {named} " in caught.value.fix


def test_wrong_keys_are_refused_without_showing_them():
    right = ("another", "pair")
    with (
        venue_at("alpaca", fake={"keys": right}) as (venue, _),
        pytest.raises(SourceError, match="HTTP status 403") as caught,
    ):
        venue.bars("AAA", "1d", START, END)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[" + b"9" * 5000 + b"]"])
def test_json_that_cannot_be_read_is_asked_for_again_and_then_an_error(body):
    with (
        venue_at("alpaca", handler=lambda _: Reply(200, body)) as (venue, line),
        pytest.raises(SourceError, match="did not deliver"),
    ):
        venue.bars("AAA", "30m", START, CLOSED)
    assert len(line.log) == 4


@pytest.mark.parametrize("token", [["a"], {"a": 1}, 7])
def test_a_page_token_that_is_no_text_is_an_error(token):
    answer = {"bars": {"AAA": [{"t": "2024-02-21T15:00:00Z", **dict.fromkeys("ohlcv", 1)}]}}
    with (
        venue_at("alpaca", handler=lambda _: as_json({**answer, "next_page_token": token})) as (venue, _),
        pytest.raises(SourceError, match="circle"),
    ):
        venue.bars("AAA", "30m", START, CLOSED)


def test_numbers_and_times_beyond_every_float_and_calendar_are_null():
    rows = [
        {"t": "2024-02-21T15:00:00Z", **dict.fromkeys("ohlv", 1), "c": 10**400},
        {"t": "0001-01-01T00:00:00+14:00", **dict.fromkeys("ohlcv", 1)},
    ]
    answer = {"bars": {"AAA": rows}, "next_page_token": None}
    with venue_at("alpaca", handler=lambda _: as_json(answer)) as (venue, _):
        told = venue.bars("AAA", "1d", START, END)
    day = datetime(2024, 2, 21, tzinfo=UTC)
    assert told.rows.select("open_at", "close").rows() == [(day, None), (None, 1.0)]


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
def test_keys_that_the_venue_repeats_are_shown_nowhere_in_the_error_and_its_causes(status):
    keys = {"ALPACA_API_KEY": "name-of-the-key", "ALPACA_SECRET_KEY": "0123456789abcdef"}

    def repeating(request):
        names = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
        return as_json({"message": " ".join(request.headers[name] for name in names)}, status)

    clock = SimulatedClock(NOW)
    with LoopbackServer(repeating, clock=clock) as line:
        venue = AlpacaVenue(patience=Patience(clock), environ=keys, base_url=line.url)
        with pytest.raises(SourceError) as caught:
            venue.bars("AAA", "1d", START, END)
    shown = "".join(traceback.format_exception(caught.value))
    assert "***" in shown
    assert not any(key in shown for key in keys.values())
