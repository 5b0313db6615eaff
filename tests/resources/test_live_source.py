"""The source over venues: closed bars only, one failure stops nobody, and every row says who delivered it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.market.bars import BAR_SCHEMA, MACRO_SCHEMA
from resources.clock import SimulatedClock
from resources.market.live import LiveSource
from resources.market.live_settings import LiveSettings, SeriesRows, SymbolBars, VenueSettings
from resources.market.port import Window
from resources.market.registry import LIVE, open_source
from resources.venues.registry import open_venue
from tests.support.fake_venues import INSTRUMENTS, FakeBars, FakeSeries, live_source

ROOT = Path(__file__).parents[2]
START = datetime(2024, 7, 1, tzinfo=UTC)
NOW = datetime(2024, 7, 3, 9, 20, tzinfo=UTC)
"""A Wednesday, between two closes."""
COIN = {"venues": ["first"], "length": "1h", "daily": "bars"}


def venue(name: str = "first", now: datetime = NOW, **facts) -> FakeBars:
    return FakeBars(name, lambda: now, **facts)


def rules(fetched, severity: str | None = None) -> list[str]:
    return [f.rule for f in fetched.findings if severity is None or f.severity == severity]


def test_hours_become_closed_h4_bars_and_days():
    source = live_source({"bars": {"BTC/USD": COIN}}, {"first": venue()})
    h4 = source.bars("h4", START, NOW, now=NOW)
    assert dict(h4.frame.schema) == dict(BAR_SCHEMA)
    assert h4.frame["ts"].max() == datetime(2024, 7, 3, 4, tzinfo=UTC)
    assert (h4.frame["covered_minutes"] == 240).all()
    assert h4.frame.height == 2 * 6 + 2
    days = source.bars("daily", START, NOW, now=NOW)
    assert days.frame["ts"].to_list() == [START, START + timedelta(days=1)]
    assert (days.frame["known_at"] == days.frame["close_at"]).all()


def test_a_forming_bar_is_left_out_and_counted():
    got = live_source({"bars": {"BTC/USD": COIN}}, {"first": venue()}).bars("h4", START, NOW, now=NOW)
    (forming,) = [f for f in got.findings if f.rule == "forming"]
    assert (forming.severity, forming.count, forming.symbol) == ("info", 1, "BTC/USD")
    assert got.quarantined.is_empty()
    assert got.gaps.is_empty()


def test_the_slower_of_two_clocks_says_what_is_closed():
    slow = venue(behind=timedelta(hours=2))
    got = live_source({"bars": {"BTC/USD": COIN}}, {"first": slow}).bars("h4", START, NOW, now=NOW)
    assert got.frame["close_at"].max() == datetime(2024, 7, 3, 4, tzinfo=UTC)


def test_a_bar_whose_last_hour_has_not_come_is_held_back_for_an_hour():
    soon = datetime(2024, 7, 3, 8, 10, tzinfo=UTC)
    late = datetime(2024, 7, 3, 7, tzinfo=UTC)
    labels = []
    for now in (soon, soon + timedelta(hours=1)):
        fake = venue(now=now, lacks=lambda at: at == late)
        source = live_source({"bars": {"BTC/USD": COIN}}, {"first": fake})
        labels.append(source.bars("h4", START, now, now=now).frame["ts"].max().hour)
    assert labels == [0, 4]


def test_a_bar_without_its_last_hour_is_known_when_it_is_no_longer_held_back_however_late_it_is_fetched():
    late = datetime(2024, 7, 2, 7, tzinfo=UTC)
    source = live_source({"bars": {"BTC/USD": COIN}}, {"first": venue(lacks=lambda at: at == late)})
    bars = source.bars("h4", START, NOW, now=NOW).frame
    waits = bars.filter(pl.col("known_at") > pl.col("close_at")).select("ts", "covered_minutes", "known_at")
    assert waits.rows() == [(late - timedelta(hours=3), 180, late + timedelta(hours=2))]


def test_an_equity_keeps_to_its_sessions_and_waits_for_its_vendor():
    settings = {
        "bars": {"SPY": {"venues": ["first"], "length": "30m", "daily": "1d"}},
        "venues": {"first": {"kind": "yahoo"}},
    }
    at = datetime(2024, 7, 2, 20, 10, tzinfo=UTC)
    for now, last in ((at, 12), (at + timedelta(minutes=5), 16)):
        source = live_source(settings, {"first": venue(now=now)})
        got = source.bars("h4", START, now, now=now)
        assert got.frame["ts"].max() == datetime(2024, 7, 2, last, tzinfo=UTC)
        assert (got.frame["known_at"] - got.frame["close_at"]).unique().to_list() == [timedelta(minutes=15)]
        assert got.quarantined.is_empty()
        (outside,) = [f for f in got.findings if f.rule == "outside_session"]
        assert outside.severity == "info"
        assert outside.count > 48
    assert got.frame.filter(pl.col("ts").dt.day() == 1)["minutes"].to_list() == [150, 240]


def test_own_days_get_their_session_and_adjusted_ones_are_the_latest_revision():
    settings = {
        "bars": {"VIX": {"venues": ["first"], "length": None, "daily": "1d"}},
        "venues": {"first": {"kind": "yahoo"}},
    }
    now = datetime(2024, 7, 2, 20, 20, tzinfo=UTC)
    fake = venue(now=now, adjustment="split")
    source = live_source(settings, {"first": fake})
    got = source.bars("daily", START, now, now=now)
    assert got.frame["ts"].to_list() == [START], (
        "settled at 16:15 New York and known a quarter of an hour later"
    )
    assert got.frame["vintage"].to_list() == ["latest_revision"]
    assert source.bars("h4", START, now, now=now).frame.is_empty()
    assert source.instruments() == ("VIX",)


def test_one_failure_never_stops_the_others():
    fake = venue(broken={"ETH/USD"})
    source = live_source({"bars": {"BTC/USD": COIN, "ETH/USD": COIN}}, {"first": fake})
    got = source.bars("h4", START, NOW, now=NOW)
    assert set(got.frame["symbol"]) == {"BTC/USD"}
    (lost,) = [f for f in got.findings if f.severity == "error"]
    assert (lost.rule, lost.symbol) == ("unreachable", "ETH/USD")
    assert "first did not deliver" in lost.reason


def test_the_next_venue_is_asked_and_both_are_named():
    both = {"first": venue(broken={"BTC/USD"}), "second": venue("second")}
    entry = {**COIN, "venues": ["first", "second"]}
    got = live_source({"bars": {"BTC/USD": entry}}, both).bars("h4", START, NOW, now=NOW)
    assert got.frame["venue"].unique().to_list() == ["second"]
    assert got.frame["source"].unique().to_list() == ["https://second/bars"]
    (told,) = [f for f in got.findings if f.severity == "warn"]
    assert told.rule == "fallback"
    assert "second delivered" in told.reason
    assert "first did not" in told.reason


def test_a_venue_without_the_length_is_passed_over():
    both = {"first": venue(lengths=("1d",)), "second": venue("second")}
    entry = {**COIN, "venues": ["first", "second"]}
    got = live_source({"bars": {"BTC/USD": entry}}, both).bars("h4", START, NOW, now=NOW)
    assert rules(got, "warn") == ["fallback"]
    assert both["first"].asked == []


def test_when_nobody_is_had_the_passing_cause_stays_in_the_chain():
    fake = venue(broken={"BTC/USD", "ETH/USD"})
    source = live_source({"bars": {"BTC/USD": COIN, "ETH/USD": COIN}}, {"first": fake})
    with pytest.raises(SourceError) as caught:
        source.bars("h4", START, NOW, now=NOW)
    chain, link = [], caught.value
    while link is not None:
        chain.append(link)
        link = link.__cause__
    assert any(isinstance(link, ConnectionError) for link in chain)
    assert caught.value.exit_code == 2


def test_days_and_h4_bars_are_made_of_one_answer():
    fake = venue()
    source = live_source({"bars": {"BTC/USD": COIN}}, {"first": fake})
    source.bars("h4", START, NOW, now=NOW)
    source.bars("daily", START, NOW, now=NOW + timedelta(minutes=1))
    assert len(fake.asked) == 1
    source.bars("daily", START, NOW, now=NOW)
    assert len(fake.asked) == 2, "the next update asks anew"


def test_only_what_is_asked_for_is_asked():
    fake = venue()
    source = live_source({"bars": {"BTC/USD": COIN, "ETH/USD": COIN}}, {"first": fake})
    some = Window(START + timedelta(hours=5), START + timedelta(hours=9))
    got = source.bars("h4", START, NOW, now=NOW, asked={"ETH/USD": [some]})
    assert got.frame.select("symbol", "ts").rows() == [("ETH/USD", START + timedelta(hours=8))]
    assert fake.asked == [("ETH/USD", "1h", START + timedelta(hours=4), START + timedelta(hours=12))]
    assert source.bars("h4", START, NOW, now=NOW, asked={}).frame.is_empty()


def test_nobody_asks_beyond_a_venues_reach():
    fake = venue()
    settings = {"bars": {"BTC/USD": COIN}, "venues": {"first": {"kind": "ccxt", "reach_days": {"1h": 1}}}}
    got = live_source(settings, {"first": fake}).bars("h4", START, NOW, now=NOW)
    assert [question[2] for question in fake.asked] == [START + timedelta(days=1)]
    assert got.gaps.is_empty()
    old = live_source(settings, {"first": fake}).bars("h4", START, START + timedelta(hours=8), now=NOW)
    assert (old.frame.height, old.gaps.height, len(fake.asked)) == (0, 0, 1)


def test_a_gap_is_what_the_venue_lacks():
    hole = START + timedelta(hours=8)
    fake = venue(lacks=lambda at: hole <= at < hole + timedelta(hours=8))
    got = live_source({"bars": {"BTC/USD": COIN}}, {"first": fake}).bars("h4", START, NOW, now=NOW)
    assert got.gaps.select("first", "count").rows() == [(hole, 2)]


SERIES = {"series": {"CFNAI": {"venue": "fred", "unit": "index", "scale": 0.5, "name": "ACTIVITY"}}}


def observed(day: int, value: float, known: int) -> tuple[datetime, float, datetime]:
    return START + timedelta(days=day), value, START + timedelta(days=known)


def test_every_vintage_of_a_series_comes_with_its_own_instant():
    fred = FakeSeries("fred", {"CFNAI": [observed(0, 1.0, 1), observed(0, 2.0, 2), observed(1, 3.0, 90)]})
    got = live_source(SERIES, {"fred": fred}).macro(START, NOW, now=NOW)
    assert dict(got.frame.schema) == dict(MACRO_SCHEMA)
    assert got.frame.select("series", "value", "unit").rows() == [
        ("ACTIVITY", 0.5, "index"),
        ("ACTIVITY", 1.0, "index"),
    ]
    assert got.vintaged


def test_nonsense_of_a_publisher_is_set_aside_with_the_reason():
    fred = FakeSeries(
        "fred", {"CFNAI": [observed(1, 1.0, 0), observed(0, float("inf"), 1), observed(0, 2.0, 2)]}
    )
    got = live_source(SERIES, {"fred": fred}).macro(START, NOW, now=NOW)
    assert got.frame["value"].to_list() == [1.0]
    assert sorted(got.quarantined["rule"]) == ["known_too_early", "not_finite"]
    assert sorted(rules(got)) == ["known_too_early", "not_finite"]


def test_a_series_out_of_reach_is_a_finding_and_all_of_them_an_error():
    two = {"series": {name: {"venue": "fred", "unit": "index"} for name in ("A", "B")}}
    fred = FakeSeries("fred", {"A": [observed(0, 1.0, 1)], "B": []}, broken={"B"})
    got = live_source(two, {"fred": fred}).macro(START, NOW, now=NOW)
    assert rules(got, "error") == ["unreachable"]
    fred.broken.add("A")
    with pytest.raises(SourceError):
        live_source(two, {"fred": fred}).macro(START, NOW, now=NOW)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bars": {"DOGE/USD": COIN}}, "bars.DOGE/USD"),
        ({"bars": {"SPY": COIN}}, "bars.SPY.length"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, field):
    with pytest.raises(ConfigError) as caught:
        live_source(change, {"first": venue()})
    assert caught.value.field == field


def test_a_publisher_named_for_bars_is_refused_when_it_is_asked():
    source = live_source({"bars": {"BTC/USD": COIN}}, {"first": FakeSeries("first", {})})
    with pytest.raises(ConfigError, match="the venue has no bars"):
        source.bars("h4", START, NOW, now=NOW)


@pytest.mark.parametrize("name", [*LIVE, "venues", "yfinance"])
def test_every_file_that_ships_opens_and_asks_nobody(name):
    source = open_source(name, root=ROOT, data_dir=None, instruments=_instruments(), environ={})
    assert isinstance(source, LiveSource)
    assert source.feed == {"yfinance": "yahoo"}.get(name, name)
    assert source.instruments() or source.series()


@pytest.mark.parametrize("name", ["schwab", "schwab_stub"])
def test_schwab_is_refused_with_the_reason(name):
    with pytest.raises(ConfigError, match="browser") as caught:
        open_source(name, root=ROOT, data_dir=None, instruments=_instruments())
    assert caught.value.exit_code == 1


def test_every_key_of_a_live_file_is_read():
    text = "".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in (
            "resources/market/live.py",
            "resources/market/asking.py",
            "resources/market/venue_series.py",
            "resources/market/live_settings.py",
            "resources/venues/registry.py",
        )
    )
    for model in (LiveSettings, VenueSettings, SymbolBars, SeriesRows):
        for name in model.model_fields:
            assert f".{name}" in text or f'"{name}"' in text, f"nothing reads {model.__name__}.{name}"


def _instruments():
    from pipeline.config.instruments import Instrument

    return {**INSTRUMENTS, "QQQ": Instrument(**{**INSTRUMENTS["SPY"].model_dump(), "symbol": "QQQ"})}


def test_the_page_lists_every_key_of_a_live_file():
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8").split("## Sources that ask venues")[1]
    table = "".join(line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `"))
    shown = {*re.findall(r"[a-z_]+", table), *re.findall(r"`([a-z]+)`", page)}
    for model in (LiveSettings, VenueSettings, SymbolBars):
        assert set(model.model_fields) <= shown | {"bars", "series"}
    assert all(name in page for name in SeriesRows.model_fields)


def test_a_key_in_the_place_of_its_name_is_refused_without_being_shown(tmp_path):
    text = (ROOT / "configs/sources/fred.yaml").read_text(encoding="utf-8")
    path = tmp_path / "fred.yaml"
    path.write_text(text.replace("FRED_API_KEY", "PKA1B2C3D4E5F6G7H8I9"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        open_source("venues", root=ROOT, data_dir=None, instruments=_instruments(), venues=path)
    assert "A1B2" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("yahoo", {"key_env": "A_KEY"}),
        ("ccxt", {"secret_env": "A_KEY"}),
        ("fred", {"symbols": {"A": "B"}}),
        ("alpaca", {"options": {"colour": "blue"}}),
    ],
)
def test_a_venue_refuses_a_key_that_it_does_not_read(kind, key):
    with pytest.raises(ConfigError, match="does not read this key"):
        open_venue("binance", VenueSettings(kind=kind, **key), environ={}, clock=SimulatedClock(NOW))


def test_missing_keys_are_a_mistake_of_the_settings_when_nobody_else_delivers():
    source = open_source("alpaca", root=ROOT, data_dir=None, instruments=_instruments(), environ={})
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID") as caught:
        source.bars("h4", START, NOW, now=NOW)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x",
        "localhost:1",
        "http://[::1",
        "http://a b",
        "http://h:99999999",
        "http://u:p@h",
        "http://h?k=v",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_before_anybody_is_asked(address):
    with pytest.raises(ValueError, match="no address of a venue"):
        VenueSettings.model_validate({"kind": "ccxt", "base_url": address})
