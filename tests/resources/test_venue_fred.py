"""FRED over real HTTP on loopback: vintages, stitching, pages, NULLs, instants of knowledge, and the key."""

import logging
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipeline.calendar.bounds import known_too_early
from pipeline.errors import ConfigError, SourceError
from resources.clock import SimulatedClock
from resources.venues import fred_reading
from resources.venues.fred import RELEASES, FredVenue
from resources.venues.patience import Patience
from resources.venues.port import observation_schema
from tests.support.loopback.faults import LINE, FaultPlan
from tests.support.loopback.fred import KEY, FredArchive
from tests.support.loopback.server import LoopbackServer, Request, as_json

NOW = datetime(2024, 3, 20, 15, tzinfo=UTC)
START, END = datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CFNAI = [
    ("2023-11-01", "2023-12-21", "0.03"),
    ("2023-11-01", "2024-01-23", "0.02"),
    ("2023-11-01", "2024-02-26", "0.01"),
    ("2023-12-01", "2024-01-23", "-0.15"),
    ("2023-12-01", "2024-02-26", "-0.18"),
    ("2024-01-01", "2024-02-26", "-0.30"),
]
VIX = [
    ("2024-01-11", "2024-01-12", "12.44"),
    ("2024-01-12", "2024-01-16", "12.70"),
    ("2024-01-15", "2024-01-16", "."),
    ("2024-01-16", "2024-01-17", "13.84"),
]


@pytest.fixture
def fred():
    """Return a function that serves an archive and gives a venue that asks there."""
    servers = []

    def serve(archive, *, environ=None, releases=None, **how):
        clock = SimulatedClock(NOW)
        servers.append(LoopbackServer(archive, clock=clock, **how).__enter__())
        venue = FredVenue(
            Patience(clock),
            base_url=servers[-1].url,
            environ={"FRED_API_KEY": KEY} if environ is None else environ,
            releases=releases,
            timeout_s=0.25,
        )
        venue.server = servers[-1]
        return venue

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def test_every_value_comes_with_the_day_from_which_the_world_had_it(fred):
    got = fred(FredArchive({"CFNAI": CFNAI})).observations("CFNAI", START, END)
    assert dict(got.rows.schema) == dict(observation_schema())
    assert got.rows.rows() == [
        (at("2023-11-01"), 0.03, at("2023-12-22T06:00")),
        (at("2023-11-01"), 0.02, at("2024-01-24T06:00")),
        (at("2023-11-01"), 0.01, at("2024-02-27T06:00")),
        (at("2023-12-01"), -0.15, at("2024-01-24T06:00")),
        (at("2023-12-01"), -0.18, at("2024-02-27T06:00")),
        (at("2024-01-01"), -0.30, at("2024-02-27T06:00")),
    ]
    assert (got.vintage, list(got.findings)) == ("as_published", [])


def test_an_ordinary_daily_copy_is_known_at_half_past_four_of_the_next_business_day(fred):
    got = fred(FredArchive({"VIXCLS": VIX})).observations("VIXCLS", START, END)
    assert got.rows.rows() == [
        (at("2024-01-11"), 12.44, at("2024-01-12T21:30")),
        (at("2024-01-12"), 12.70, at("2024-01-16T21:30")),
        (at("2024-01-15"), None, at("2024-01-16T21:30")),
        (at("2024-01-16"), 13.84, at("2024-01-17T21:30")),
    ]


@pytest.mark.parametrize(
    ("since", "known"),
    [
        ("2024-07-09", "2024-07-10T20:30"),  # posted on the evening of the very day: the rule's next day
        ("2024-07-10", "2024-07-10T20:30"),
        ("2024-07-11", "2024-07-12T05:00"),  # a late copy: when that day is over in St. Louis
        ("2024-12-02", "2024-12-03T06:00"),
    ],
)
def test_a_vintage_is_never_known_before_its_day_allows(fred, since, known):
    got = fred(FredArchive({"T10Y2Y": [("2024-07-09", since, "-0.33")]})).observations("T10Y2Y", START, END)
    assert got.rows["known_at"].to_list() == [at(known)]
    assert known_too_early(got.rows, "fred_daily").is_empty()


@pytest.mark.parametrize(
    ("vintages", "known"),
    [
        (  # posted in the evening, corrected on the next business day at an hour that nobody tells
            [("2024-05-23", "2024-05-23", "1"), ("2024-05-23", "2024-05-24", "2")],
            [(1.0, "2024-05-24T20:30"), (2.0, "2024-05-25T05:00")],
        ),
        (  # corrected twice over a long weekend, before the rule lets anybody know the first value
            [
                ("2024-05-24", "2024-05-24", "1"),
                ("2024-05-24", "2024-05-25", "2"),
                ("2024-05-24", "2024-05-26", "3"),
            ],
            [(3.0, "2024-05-28T20:30")],
        ),
    ],
)
def test_a_value_corrected_before_the_rules_instant_is_kept_and_known_no_earlier_than_its_day(
    fred, vintages, known
):
    got = fred(FredArchive({"T10Y2Y": vintages})).observations("T10Y2Y", START, END)
    assert got.rows.select("value", "known_at").rows() == [(value, at(when)) for value, when in known]


def test_a_series_without_a_rule_goes_by_its_vintages_alone(fred):
    got = fred(FredArchive({"GDP": [("2024-01-01", "2024-01-01", "1")]})).observations("GDP", START, END)
    assert got.rows["known_at"].to_list() == [at("2024-01-02T06:00")]


def test_the_window_is_of_periods_and_half_open(fred):
    venue = fred(FredArchive({"CFNAI": CFNAI}))
    got = venue.observations("CFNAI", at("2023-11-02"), at("2024-01-01"))
    assert set(got.rows["ts"]) == {at("2023-12-01")}


def test_an_empty_window_is_no_error(fred):
    got = fred(FredArchive({"CFNAI": CFNAI})).observations("CFNAI", at("2010-01-01"), at("2011-01-01"))
    assert got.rows.is_empty()
    assert dict(got.rows.schema) == dict(observation_schema())


def daily(days: int) -> list[tuple[str, str, str]]:
    """A daily series whose every third value is revised three days later, at times to the same number."""
    first = date(2023, 1, 2)
    values = []
    for number in range(days):
        day = first + timedelta(days=number)
        values.append((f"{day}", f"{day + timedelta(days=1)}", f"{number % 7}"))
        if number % 3 == 0:
            values.append((f"{day}", f"{day + timedelta(days=4)}", f"{number % 7 + 0.5}"))
        if number % 9 == 0:
            values.append((f"{day}", f"{day + timedelta(days=11)}", f"{number % 7}"))
    return values


@pytest.mark.parametrize("most", [2, 3, 7, 50, 149])
def test_a_series_of_too_many_vintages_is_stitched_without_a_seam(fred, monkeypatch, most):
    values = daily(150)
    whole = fred(FredArchive({"VIXCLS": values})).observations("VIXCLS", START, END)
    monkeypatch.setattr(fred_reading, "MOST_VINTAGES", most)
    venue = fred(FredArchive({"VIXCLS": values}, most_vintages=most))
    got = venue.observations("VIXCLS", START, END)
    assert got.rows.equals(whole.rows)
    assert got.rows.height == len(values)


@pytest.mark.parametrize("most_rows", [1, 7, 100])
def test_pages_put_together_are_the_whole(fred, most_rows):
    values = daily(40)
    whole = fred(FredArchive({"VIXCLS": values})).observations("VIXCLS", START, END)
    venue = fred(FredArchive({"VIXCLS": values}, most_rows=most_rows))
    assert venue.observations("VIXCLS", START, END).rows.equals(whole.rows)
    assert len(venue.server.log) == -(-len(values) // most_rows)


def test_a_series_that_alfred_does_not_keep_is_its_latest_revision(fred):
    archive = FredArchive(unarchived={"SP500": [("2024-01-11", "4780.24"), ("2024-01-12", "4783.83")]})
    got = fred(archive, releases={"SP500": "fred_daily"}).observations("SP500", START, END)
    assert got.vintage == "latest_revision"
    assert got.rows.rows() == [
        (at("2024-01-11"), 4780.24, at("2024-01-12T21:30")),
        (at("2024-01-12"), 4783.83, at("2024-01-16T21:30")),
    ]


def test_without_vintages_and_without_a_rule_nothing_is_guessed(fred):
    with pytest.raises(SourceError, match="nothing says when") as caught:
        fred(FredArchive(unarchived={"SP500": [("2024-01-11", "1")]})).observations("SP500", START, END)
    assert caught.value.value == "SP500"


def test_values_that_were_archived_years_later_are_said(fred):
    old = [
        ("2001-01-02", "2005-06-01", "4.9"),
        ("2001-01-03", "2005-06-01", "5.1"),
        ("2005-06-01", "2005-06-02", "3.9"),
    ]
    got = fred(FredArchive({"DGS10": old})).observations("DGS10", at("2000-01-01"), END)
    (finding,) = got.findings
    assert (finding.rule, finding.count, finding.ts, finding.last) == (
        "archived_late", 2, at("2001-01-02"), at("2001-01-03"),
    )  # fmt: skip
    assert got.rows["known_at"].to_list()[0] == at("2005-06-02T05:00")


def test_periods_older_than_every_calendar_go_by_their_vintage(fred):
    got = fred(FredArchive({"T10Y2Y": [("1929-01-01", "2013-08-14", "1065.9")]})).observations(
        "T10Y2Y", at("1920-01-01"), END
    )
    assert got.rows["known_at"].to_list() == [at("2013-08-15T05:00")]


def test_an_unknown_series_is_refused_in_freds_words(fred):
    with pytest.raises(SourceError, match="series does not exist"):
        fred(FredArchive()).observations("NOPE", START, END)


@pytest.mark.parametrize("fault", LINE)
def test_the_series_is_the_same_whatever_happened_on_the_line(fred, fault):
    calm = fred(FredArchive({"VIXCLS": VIX})).observations("VIXCLS", START, END)
    rough = fred(FredArchive({"VIXCLS": VIX}), faults=FaultPlan(script=(fault, fault)))
    assert rough.observations("VIXCLS", START, END).rows.equals(calm.rows)


def test_a_skewed_clock_is_a_finding(fred):
    got = fred(FredArchive({"VIXCLS": VIX}), skew=timedelta(minutes=2)).observations("VIXCLS", START, END)
    assert [f.rule for f in got.findings] == ["clock_skew"]
    assert got.server_time == NOW + timedelta(minutes=2)


def test_a_wrong_key_is_refused_and_never_shown(fred, caplog):
    caplog.set_level(logging.DEBUG)
    venue = fred(FredArchive({"VIXCLS": VIX}), environ={"FRED_API_KEY": "0123456789wrong0123456789wrong00"})
    with pytest.raises(SourceError, match="is not registered") as caught:
        venue.observations("VIXCLS", START, END)
    assert "wrong" not in str(caught.value) + repr(caught.value) + caplog.text


def test_no_row_names_the_key(fred):
    got = fred(FredArchive({"VIXCLS": VIX})).observations("VIXCLS", START, END)
    assert got.source.endswith("/fred/series/observations?series_id=VIXCLS")
    assert KEY not in repr(got)


@pytest.mark.parametrize("environ", [{}, {"FRED_API_KEY": "  "}])
def test_a_missing_key_is_said_with_the_first_question_and_not_before(fred, environ):
    venue = fred(FredArchive(), environ=environ)
    with pytest.raises(ConfigError, match="FRED_API_KEY") as caught:
        venue.observations("VIXCLS", START, END)
    assert caught.value.exit_code == 1
    assert "https://fred.stlouisfed.org" in caught.value.fix
    assert venue.server.log == []


ROW = {"realtime_start": "2024-01-12", "realtime_end": "9999-12-31", "date": "2024-01-11", "value": "12.44"}
PAGES = {
    "no list": {"count": 1, "observations": None},
    "no count": {"observations": [ROW]},
    "a count that is not reached": {"count": 2, "observations": []},
    "a value that is a word": {"count": 1, "observations": [{**ROW, "value": "n/a"}]},
    "a value that is nothing": {"count": 1, "observations": [{**ROW, "value": None}]},
    "a value that is no number": {"count": 1, "observations": [{**ROW, "value": "nan"}]},
    "an infinite value": {"count": 1, "observations": [{**ROW, "value": "1e999"}]},
    "a date that is none": {"count": 1, "observations": [{**ROW, "date": "2024-02-30"}]},
    "a date that is a number": {"count": 1, "observations": [{**ROW, "realtime_start": 20240112}]},
    "a row that is text": {"count": 1, "observations": ["2024-01-11"]},
    "one vintage twice": {"count": 2, "observations": [ROW, {**ROW, "value": "13"}]},
    "a document that is a list": [ROW],
}


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_answer_is_named(fred, page):
    with pytest.raises(SourceError, match="not as it should be") as caught:
        fred(lambda request: as_json(PAGES[page])).observations("VIXCLS", START, END)
    assert caught.value.field


def test_a_series_that_grows_between_two_pages_is_not_pieced_together(fred):
    def growing(request: Request):
        offset = int(request.query["offset"])
        return as_json({"count": 2 + offset, "observations": [{**ROW, "date": f"2024-01-{offset + 10}"}]})

    with pytest.raises(SourceError, match="count"):
        fred(growing).observations("VIXCLS", START, END)


def test_the_default_series_have_rules_of_our_calendar():
    from pipeline.calendar.known import KnownRule

    assert set(RELEASES) == {"VIXCLS", "T10Y2Y", "CFNAI"}
    assert {KnownRule(rule) for rule in RELEASES.values()} == {
        KnownRule.FRED_DAILY,
        KnownRule.MONTHLY_RELEASE,
    }


def test_rows_are_sorted_by_period_and_vintage(fred):
    got = fred(FredArchive({"CFNAI": list(reversed(CFNAI))})).observations("CFNAI", START, END)
    assert got.rows.equals(got.rows.sort("ts", "known_at"))
    assert got.rows.select(pl.struct("ts", "known_at").is_duplicated().any()).item() is False


@pytest.mark.parametrize(("key", "value"), [("realtime_start", "9999-12-31"), ("value", 10**400)])
def test_an_observation_beyond_every_calendar_and_float_is_an_error(key, value):
    row = {"realtime_start": "2024-01-25", "realtime_end": "9999-12-31", "date": "2023-12-01", "value": "1"}
    answer = {"count": 1, "observations": [{**row, key: value}]}
    clock = SimulatedClock(NOW)
    with LoopbackServer(lambda _: as_json(answer), clock=clock) as line:
        venue = FredVenue(Patience(clock), environ={"FRED_API_KEY": KEY}, base_url=line.url)
        with pytest.raises(SourceError, match="not as it should be"):
            venue.observations("CFNAI", START, END)
