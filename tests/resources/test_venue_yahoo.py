"""Yahoo's charts over real HTTP on loopback: labels, live quotes, empty rows, damage, corporate actions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from pipeline.errors import SourceError
from resources.clock import SimulatedClock
from resources.venues.patience import Patience
from resources.venues.port import venue_bar_schema
from resources.venues.yahoo import YahooVenue
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.server import LoopbackServer, Request, as_json
from tests.support.loopback.yahoo import YahooCharts, YahooSymbol, chart

NOW = datetime(2024, 7, 10, 15, 12, 30, tzinfo=UTC)
SESSION = (datetime(2024, 7, 10, 13, 30, tzinfo=UTC), datetime(2024, 7, 10, 20, tzinfo=UTC))
JULY = datetime(2024, 7, 1, tzinfo=UTC)
END = datetime(2024, 7, 11, tzinfo=UTC)


def row(at: datetime, price: float = 100.0, volume: float | None = 1000.0) -> tuple[Any, ...]:
    return (at, price, price + 1.0, price - 1.0, price + 0.5, volume)


def opened(day: int, month: int = 7, hour: int = 13) -> datetime:
    return datetime(2024, month, day, hour, 30, tzinfo=UTC)


WEEK = [row(opened(day), 100.0 + day, 1_000_000) for day in (1, 2, 3, 5, 8, 9)]


@pytest.fixture
def yahoo():
    """Return a function that serves symbols and gives a venue that asks there."""
    servers = []

    def serve(symbols, *, now=NOW, handler=None, spacing_s=0.0, **how):
        clock = SimulatedClock(now)
        charts = handler or YahooCharts(symbols)
        servers.append(LoopbackServer(charts, clock=clock, **how).__enter__())
        venue = YahooVenue(Patience(clock, spacing_s), base_url=servers[-1].url, timeout_s=0.25)
        venue.server = servers[-1]
        return venue

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def test_a_daily_bar_is_labelled_by_its_session_date(yahoo):
    venue = yahoo({"SPY": YahooSymbol(WEEK, session=SESSION)})
    got = venue.bars("SPY", "1d", JULY, END)
    assert dict(got.rows.schema) == dict(venue_bar_schema())
    assert got.rows["open_at"].to_list() == [datetime(2024, 7, d, tzinfo=UTC) for d in (1, 2, 3, 5, 8, 9)]
    assert got.rows.row(0)[1:] == (101.0, 102.0, 100.0, 101.5, 1_000_000.0)
    assert (got.adjustment, list(got.findings)) == ("split", [])
    assert got.server_time == NOW.replace(microsecond=0)
    assert got.source == f"{venue.server.url}/v8/finance/chart/SPY"


def test_the_index_is_asked_for_under_its_own_name(yahoo):
    venue = yahoo({"^VIX": YahooSymbol([row(opened(1))], zone="America/Chicago", gmtoffset=-18000)})
    assert venue.bars("VIX", "1d", JULY, END).rows["open_at"].to_list() == [JULY]
    assert venue.server.log[0].path == "/v8/finance/chart/%5EVIX"


def test_a_share_class_is_written_with_a_dash_there(yahoo):
    assert yahoo({"BRK-B": YahooSymbol(WEEK)}).bars("BRK.B", "1d", JULY, END).rows.height == 6


@pytest.mark.parametrize(
    ("zone", "offset", "at", "date"),
    [
        ("America/New_York", -14400, opened(8, 1, 14), datetime(2024, 1, 8, tzinfo=UTC)),
        (None, -14400, opened(8, 1, 14), datetime(2024, 1, 8, tzinfo=UTC)),
        ("Asia/Tokyo", 32400, datetime(2024, 1, 8, 0, 0, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)),
        (
            "Australia/Sydney",
            36000,
            datetime(2024, 1, 7, 23, 0, tzinfo=UTC),
            datetime(2024, 1, 8, tzinfo=UTC),
        ),
    ],
)
def test_the_date_is_the_exchanges_whatever_the_season(yahoo, zone, offset, at, date):
    venue = yahoo({"X": YahooSymbol([row(at)], zone=zone, gmtoffset=offset)})
    start, end = datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 1, 9, tzinfo=UTC)
    assert venue.bars("X", "1d", start, end).rows["open_at"].to_list() == [date]


def test_rows_beyond_the_window_are_left_out_on_both_sides(yahoo):
    venue = yahoo({"SPY": YahooSymbol(WEEK)})
    got = venue.bars("SPY", "1d", datetime(2024, 7, 2, tzinfo=UTC), datetime(2024, 7, 8, tzinfo=UTC))
    assert [at.day for at in got.rows["open_at"]] == [2, 3, 5]


def test_a_window_without_a_row_is_empty_and_no_error(yahoo):
    got = yahoo({"SPY": YahooSymbol([])}).bars("SPY", "1d", JULY, END)
    assert got.rows.height == 0
    assert dict(got.rows.schema) == dict(venue_bar_schema())


LIVE = {
    "the quote of a running session": (SESSION, NOW, [row(NOW)], "1d", True),
    "a quote beside the bar of its day": (
        SESSION, SESSION[1], [row(opened(10)), row(SESSION[1] + timedelta(seconds=2))], "1d", True,
    ),
    "the forming bar at its open": (SESSION, NOW, [row(opened(10))], "1d", False),
    "the bar of a session that is over": (
        SESSION, SESSION[1], [row(SESSION[1] + timedelta(seconds=2))], "1d", False,
    ),
    "the bar of yesterday when today's session is announced": (
        SESSION, opened(10) - timedelta(hours=9), [row(opened(9) + timedelta(hours=6.5))], "1d", False,
    ),
    "the quote off the half hours": (SESSION, NOW, [row(NOW)], "30m", True),
    "the quote at the close": (SESSION, SESSION[1], [row(SESSION[1])], "30m", True),
    "the forming half hour": (SESSION, NOW, [row(datetime(2024, 7, 10, 15, tzinfo=UTC))], "30m", False),
    "a daily quote without a session": (None, NOW, [row(NOW)], "1d", True),
}  # fmt: skip


@pytest.mark.parametrize("case", LIVE)
def test_a_live_quote_is_no_bar(yahoo, case):
    session, now, tail, length, live = LIVE[case]
    step = timedelta(days=1) if length == "1d" else timedelta(minutes=30)
    before = [row(opened(9) - step * k) for k in (1, 0)] if length == "1d" else [row(opened(10))]
    before = [r for r in before if r[0].date() < tail[0][0].date() or length != "1d"]
    venue = yahoo({"SPY": YahooSymbol([*before, *tail], session=session)}, now=now)
    got = venue.bars("SPY", length, JULY, END)
    assert got.rows.height == len(before) + len(tail) - live
    assert [f.rule for f in got.findings] == ["live_quote"] * live


def test_rows_without_a_price_are_counted_and_half_empty_ones_stay(yahoo):
    none = (None, None, None, None)
    rows = [row(opened(1)), (opened(2), *none, None), (opened(3), *none, 0), (opened(5), *none, 7)]
    rows += [(opened(8), 1.0, 2.0, None, 1.5, None), row(opened(9), volume=None)]
    got = yahoo({"SPY": YahooSymbol(rows)}).bars("SPY", "1d", JULY, END)
    assert [at.day for at in got.rows["open_at"]] == [1, 5, 8, 9]
    assert got.rows["low"].to_list() == [99.0, None, None, 99.0]
    (finding,) = got.findings
    assert (finding.rule, finding.count, finding.ts.day, finding.last.day) == ("no_trade", 2, 2, 3)


def test_half_hour_bars_go_back_sixty_days_and_no_further(yahoo):
    venue = yahoo({"SPY": YahooSymbol([row(opened(8))], session=SESSION)})
    assert venue.bars("SPY", "30m", NOW - timedelta(days=60), END).rows["open_at"].to_list() == [opened(8)]
    with pytest.raises(SourceError, match="60 days") as caught:
        venue.bars("SPY", "30m", NOW - timedelta(days=60, seconds=1), END)
    assert len(venue.server.log) == 1
    assert "files" in caught.value.fix


def test_a_length_that_is_not_offered_is_refused(yahoo):
    with pytest.raises(SourceError, match="length"):
        yahoo({}).bars("SPY", "1h", JULY, END)


def test_an_unknown_symbol_is_refused_in_the_venues_words(yahoo):
    with pytest.raises(SourceError, match="may be delisted"):
        yahoo({}).bars("NOPE", "1d", JULY, END)


@pytest.mark.parametrize("fault", LINE)
def test_the_bars_are_the_same_whatever_happened_on_the_line(yahoo, fault):
    symbols = {"SPY": YahooSymbol(WEEK)}
    calm = yahoo(symbols).bars("SPY", "1d", JULY, END)
    rough = yahoo(symbols, faults=FaultPlan(script=(fault, fault))).bars("SPY", "1d", JULY, END)
    assert rough.rows.equals(calm.rows)


def test_a_hundred_questions_to_a_bad_line_lose_and_repeat_no_bar(yahoo):
    names = [f"S{number}" for number in range(100)]
    symbols = {
        name: YahooSymbol([row(opened(d), 100.0 + n) for d in (1, 2, 3)]) for n, name in enumerate(names)
    }
    kinds = tuple(fault for fault in LINE if fault != "slow")
    venue = yahoo(symbols, faults=FaultPlan(rate=0.4, kinds=kinds), spacing_s=0.5)
    lost = []
    for number, name in enumerate(names):
        try:
            got = venue.bars(name, "1d", JULY, END)
        except SourceError as error:
            lost.append(error)
            continue
        assert got.rows["open"].to_list() == [100.0 + number] * 3
    assert all(isinstance(error.__cause__, ConnectionError) for error in lost)
    assert len(lost) < 10  # four tries at 0.4: 2.6 % are given up
    assert len(venue.server.log) < 4 * len(names)
    starts = [logged.at for logged in venue.server.log]
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.5
    assert starts[-1] < 100 * (1 + 2 + 4 + 4 * 0.5)


def test_a_skewed_clock_is_a_finding_and_its_time_is_handed_on(yahoo):
    venue = yahoo({"SPY": YahooSymbol(WEEK)}, skew=timedelta(seconds=-40))
    got = venue.bars("SPY", "1d", JULY, END)
    assert [f.rule for f in got.findings] == ["clock_skew"]
    assert got.server_time == NOW - timedelta(seconds=40)


def test_repeated_rows_are_handed_on_for_the_rules(yahoo):
    got = yahoo({"SPY": YahooSymbol(WEEK)}, faults=FaultPlan(script=("repeated",))).bars(
        "SPY", "1d", JULY, END
    )
    assert got.rows.height == 7


def edited(change):
    """Return a handler whose document was damaged by ``change``."""

    def handler(request: Request):
        symbol = YahooSymbol(
            WEEK, session=SESSION, splits={opened(3): (4.0, 1.0)}, dividends={opened(2): 0.5}
        )
        document = chart("SPY", "1d", symbol, WEEK, (JULY, END))
        change(document, document["chart"]["result"][0])
        return as_json(document)

    return handler


def quote_of(result):
    return result["indicators"]["quote"][0]


DAMAGE = {
    "a list one short": lambda d, r: quote_of(r)["high"].pop(),
    "a list one long": lambda d, r: quote_of(r)["volume"].append(1),
    "a column missing": lambda d, r: quote_of(r).pop("low"),
    "more stamps than rows": lambda d, r: r["timestamp"].append(1720704600),
    "stamps but no rows": lambda d, r: r["indicators"].update(quote=[{}]),
    "a price as text": lambda d, r: quote_of(r)["close"].__setitem__(0, "12.5"),
    "a price as truth": lambda d, r: quote_of(r)["close"].__setitem__(0, bool(1)),
    "a price beyond floats": lambda d, r: quote_of(r)["close"].__setitem__(0, 10**400),
    "a stamp as text": lambda d, r: r["timestamp"].__setitem__(0, "1719840600"),
    "a stamp in milliseconds": lambda d, r: r["timestamp"].__setitem__(0, 1719840600000),
    "a stamp that is a fraction": lambda d, r: r["timestamp"].__setitem__(0, 1719840600.5),
    "another symbol": lambda d, r: r["meta"].update(symbol="QQQ"),
    "another interval": lambda d, r: r["meta"].update(dataGranularity="1wk"),
    "an unknown zone": lambda d, r: r["meta"].update(exchangeTimezoneName="Mars/Olympus"),
    "no zone at all": lambda d, r: r["meta"].update(exchangeTimezoneName=None, gmtoffset=None),
    "no meta": lambda d, r: r.pop("meta"),
    "no indicators": lambda d, r: r.pop("indicators"),
    "two results": lambda d, r: d["chart"]["result"].append(r),
    "no result": lambda d, r: d["chart"].update(result=None),
    "an error beside a good status": lambda d, r: d["chart"].update(
        error={"code": "x", "description": "sorry"}
    ),
    "no chart": lambda d, r: d.pop("chart"),
    "a split by nothing": lambda d, r: next(iter(r["events"]["splits"].values())).update(denominator=0),
    "a dividend without amount": lambda d, r: next(iter(r["events"]["dividends"].values())).pop("amount"),
    "events as a list": lambda d, r: r.update(events=[1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_document_is_named_and_yields_nothing(yahoo, damage):
    venue = yahoo({}, handler=edited(DAMAGE[damage]))
    with pytest.raises(SourceError) as caught:
        venue.bars("SPY", "1d", JULY, END)
    assert caught.value.field
    assert caught.value.fix


def test_a_list_for_a_document_is_named(yahoo):
    with pytest.raises(SourceError, match="document"):
        yahoo({}, handler=lambda request: as_json([1])).bars("SPY", "1d", JULY, END)


APPLE = YahooSymbol(
    [row(datetime(2020, 8, 28, 13, 30, tzinfo=UTC))],
    dividends={
        datetime(2020, 8, 7, 13, 30, tzinfo=UTC): 0.205,
        datetime(2020, 11, 6, 14, 30, tzinfo=UTC): 0.205,
    },
    splits={
        datetime(2014, 6, 9, 13, 30, tzinfo=UTC): (7.0, 1.0),
        datetime(2020, 8, 31, 13, 30, tzinfo=UTC): (4.0, 1.0),
    },
)


def test_dividends_are_as_paid_then_and_splits_as_declared(yahoo):
    """Apple paid 0.82 USD on 2020-08-07, split 4:1 on 2020-08-31 and paid 0.205 USD on 2020-11-06."""
    got = yahoo({"AAPL": APPLE}).actions(
        "AAPL", datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    )
    assert got.select("kind", "ts", "value", "currency").rows() == [
        ("dividend", datetime(2020, 8, 7, tzinfo=UTC), pytest.approx(0.82, rel=1e-12), "USD"),
        ("split", datetime(2020, 8, 31, tzinfo=UTC), 4.0, "USD"),
        ("dividend", datetime(2020, 11, 6, tzinfo=UTC), pytest.approx(0.205, rel=1e-12), "USD"),
    ]
    assert got["declared_at"].null_count() == 3


def test_a_window_that_ends_before_the_split_still_has_the_dividend_as_paid(yahoo):
    got = yahoo({"AAPL": APPLE}).actions(
        "AAPL", datetime(2020, 8, 1, tzinfo=UTC), datetime(2020, 8, 10, tzinfo=UTC)
    )
    assert got["value"].to_list() == [pytest.approx(0.82, rel=1e-12)]


def test_a_dividend_on_the_day_of_a_split_is_for_the_new_shares(yahoo):
    day = datetime(2020, 8, 31, 13, 30, tzinfo=UTC)
    got = yahoo({"X": replace(APPLE, dividends={day: 0.25}, splits={day: (4.0, 1.0)})}).actions(
        "X", datetime(2020, 8, 1, tzinfo=UTC), datetime(2020, 9, 1, tzinfo=UTC)
    )
    assert got.select("kind", "value").rows() == [("dividend", 0.25), ("split", 4.0)]


def test_a_reverse_split_gives_less_than_one_share(yahoo):
    """General Electric merged eight shares into one on 2021-08-02."""
    ge = replace(APPLE, dividends={}, splits={datetime(2021, 8, 2, 13, 30, tzinfo=UTC): (1.0, 8.0)})
    got = yahoo({"GE": ge}).actions("GE", datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
    assert got.select("kind", "value").rows() == [("split", 0.125)]


def test_a_symbol_without_actions_has_no_rows(yahoo):
    got = yahoo({"SPY": YahooSymbol(WEEK)}).actions("SPY", JULY, END)
    assert isinstance(got, pl.DataFrame)
    assert got.height == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("currency", {"a": 1}),
        ("exchangeTimezoneName", "America"),
        ("exchangeTimezoneName", "a" * 5000),
        ("currentTradingPeriod", [1]),
        ("timestamp", 5),
    ],
)
def test_a_document_of_wrong_types_is_an_error_that_names_the_place(yahoo, place, value):
    def odd(request: Request):
        document = chart("SPY", "1d", YahooSymbol(WEEK, session=SESSION), WEEK, (JULY, END))
        result = document["chart"]["result"][0]
        (result if place == "timestamp" else result["meta"])[place] = value
        return as_json(document)

    with pytest.raises(SourceError) as caught:
        yahoo({}, handler=odd).bars("SPY", "1d", JULY, END)
    assert place in str(caught.value.field)
