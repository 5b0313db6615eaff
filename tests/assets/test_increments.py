"""An update asks for what is not stored, notices a history told anew, and stores all of it or nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.manifests import manifest_for
from assets.market.increments import MOST_GAPS, plan_bars, plan_series
from assets.market.ingest import Ingested, update_bars, update_macro
from pipeline.calendar.sessions import expected_h4
from pipeline.errors import SourceError
from pipeline.market.imputation import Imputation
from resources.desk import Desk
from resources.market.imputing import Imputing
from resources.market.port import Window
from tests.support.desk import desk_at, materialize
from tests.support.fake_venues import INSTRUMENTS, FakeBars, FakeSeries, live_source
from warehouse.tables import MACRO, OHLCV_DAILY, OHLCV_H4

START = datetime(2024, 6, 1, tzinfo=UTC)
NOW = datetime(2024, 7, 3, 9, 20, tzinfo=UTC)
COIN = {"venues": ["first", "second"], "length": "1h", "daily": "bars"}
CELL = timedelta(hours=4)
TABLES = {"h4": OHLCV_H4, "daily": OHLCV_DAILY}


@dataclass
class Room:
    """A desk on two fake venues and a publisher, whose clock the test moves."""

    desk: Desk
    first: FakeBars
    second: FakeBars
    fred: FakeSeries
    opened: Callable[[], Desk] = field(repr=False)

    @property
    def now(self) -> datetime:
        return self.desk.clock.now()

    def update(self, timeframe: str = "h4", window=None, **how) -> Ingested:
        """Do what a fresh process does: a source without memory, the stored rows, the clock."""
        self.first.forget()
        self.second.forget()
        desk = self.opened()
        manifest = manifest_for(TABLES[timeframe], desk.loaded, self.now)
        span = window or (START, self.now)
        return update_bars(
            timeframe,
            span,
            market=desk.market,
            warehouse=desk.warehouse,
            now=self.now,
            manifest=manifest,
            **how,
        )

    def macro(self, window=None) -> Ingested:
        desk = self.opened()
        span, manifest = window or (START, self.now), manifest_for(MACRO, desk.loaded, self.now)
        return update_macro(
            span, market=desk.market, warehouse=desk.warehouse, now=self.now, manifest=manifest
        )

    def stored(self, timeframe: str = "h4", at: datetime | None = None) -> pl.DataFrame:
        return self.desk.warehouse.as_of(TABLES[timeframe], at, where={"feed": "live"})


@pytest.fixture
def room(tmp_path) -> Room:
    desk = desk_at(tmp_path, NOW)
    first, second = (FakeBars(name, desk.clock.now) for name in ("first", "second"))
    fred = FakeSeries("fred", {"CFNAI": []})
    document = {
        "bars": {"BTC/USD": COIN, "ETH/USD": COIN},
        "series": {"CFNAI": {"venue": "fred", "unit": "index"}},
        "history": {"start": START},
    }
    venues = {"first": first, "second": second, "fred": fred}
    return Room(desk, first, second, fred, lambda: replace(desk, market=live_source(document, venues)))


def told(done: Ingested, rule: str) -> list:
    return [finding for finding in done.findings if finding.rule == rule]


def test_the_first_update_asks_each_bar_once_and_the_second_only_the_overlap(room):
    done = room.update()
    assert done.inserted == done.fetched == 2 * (32 * 6 + 2)
    assert len(room.first.asked) == 2
    again = room.update()
    assert (again.inserted, again.revised) == (0, 0)
    assert again.fetched == 2 * 5
    assert room.first.hours_asked() == pytest.approx(2 * (5 * 4 + 1 + 1 / 3))
    assert room.desk.warehouse.duplicates(OHLCV_H4) == 0


def test_what_has_closed_since_is_appended(room):
    room.update()
    room.desk.clock.advance(timedelta(hours=8))
    assert room.update().inserted == 2 * 2
    assert not told(room.update(), "gap")


def test_a_past_month_that_is_whole_is_not_asked_for_and_one_that_lacks_bars_is(room):
    june = (START, datetime(2024, 7, 1, tzinfo=UTC))
    july = (june[1], datetime(2024, 8, 1, tzinfo=UTC))
    room.update(window=july)
    room.update(window=june)
    assert room.first.hours_asked() == 2 * (30 * 24 + 4)  # and a bar of July, to compare
    assert room.update(window=june).fetched == 0
    assert room.first.asked == []
    assert room.stored().height == 2 * (32 * 6 + 2)


def test_a_gap_is_asked_for_again_once_an_update_and_filled_when_the_venue_has_it(room):
    hole = datetime(2024, 6, 10, tzinfo=UTC)
    room.first.lacks = lambda at: hole <= at < hole + timedelta(hours=12)
    assert [f.count for f in told(room.update(), "gap")] == [3, 3]
    done = room.update()
    assert [f.count for f in told(done, "gap")] == [3, 3]
    assert room.first.asked[0][2:] == (hole, hole + timedelta(hours=12))
    assert len(room.first.asked) == 2 * 2
    room.first.lacks = lambda at: False
    filled = room.update()
    assert (filled.inserted, told(filled, "gap")) == (2 * 3, [])


def test_a_gap_asked_for_again_is_imputed_from_the_close_before_it_although_that_is_only_stored(room):
    early, late = datetime(2024, 6, 10, tzinfo=UTC), datetime(2024, 6, 20, tzinfo=UTC)
    eight = timedelta(hours=8)
    policy = Imputing(Imputation(3), INSTRUMENTS)
    room.first.lacks = lambda at: any(hole <= at < hole + eight for hole in (early, late))
    room.update(imputing=policy)
    room.first.lacks = lambda at: late <= at < late + eight
    done = room.update(imputing=policy)
    assert (done.revised, [f.ts for f in told(done, "imputed")]) == (2 * 2, [late, late])
    stored = room.stored().filter(pl.col("symbol") == "BTC/USD").sort("ts")
    before = stored.filter(pl.col("ts") == late - CELL)["close"].item()
    assert stored.filter(pl.col("state") == "imputed")["close"].to_list() == [before, before]


def test_a_gap_at_the_end_is_weighed_against_all_that_is_stored(room):
    policy = Imputing(Imputation(6), INSTRUMENTS)
    room.update(imputing=policy)
    room.desk.clock.advance(timedelta(hours=28))
    hole = datetime(2024, 7, 3, 8, tzinfo=UTC)
    room.first.lacks = lambda at: hole <= at < hole + 6 * CELL
    assert [f.count for f in told(room.update(imputing=policy), "imputed")] == [6, 6]


def test_only_so_many_gaps_are_asked_for_and_the_others_are_told():
    window = Window(START, NOW)
    calendar = expected_h4("24/7", START, NOW)
    have = calendar.gather_every(2).select("ts", symbol=pl.lit("BTC/USD"), state=pl.lit("final"))
    plan = plan_bars(have, {"BTC/USD": calendar}, window)
    assert MOST_GAPS - 3 <= len(plan.asked["BTC/USD"]) <= MOST_GAPS + 1
    assert len(plan.left) == calendar.height // 2 - MOST_GAPS
    assert max(last for _, _, last, _ in plan.left) < min(w.start for w in plan.asked["BTC/USD"])


def test_a_bar_that_is_not_final_is_asked_for_again():
    calendar = expected_h4("24/7", START, NOW)
    state = pl.when(pl.col("ts") == START).then(pl.lit("provisional")).otherwise(pl.lit("final"))
    have = calendar.select("ts", symbol=pl.lit("BTC/USD"), state=state)
    plan = plan_bars(have, {"BTC/USD": calendar}, Window(START, NOW))
    assert [w.start for w in plan.asked["BTC/USD"]] == [START, calendar["ts"].to_list()[-5]]


def test_bars_before_a_symbol_was_traded_are_no_gap(room):
    room.first.since = room.second.since = datetime(2024, 6, 20, tzinfo=UTC)
    assert told(room.update(), "gap") == []
    assert told(room.update(), "gap") == []


def test_a_symbol_that_nobody_has_a_bar_of_is_told(room):
    room.first.since = NOW
    done = room.update()
    assert [(f.symbol, f.severity) for f in told(done, "no_bars")] == [
        ("BTC/USD", "error"),
        ("ETH/USD", "error"),
    ]


def test_a_split_brings_the_whole_history_as_new_versions_known_from_now(room):
    room.update()
    before = room.now
    room.desk.clock.advance(timedelta(hours=4))
    room.first.factor["BTC/USD"] = 0.25
    done = room.update()
    (restated,) = told(done, "restated")
    assert (restated.symbol, restated.severity) == ("BTC/USD", "warn")
    assert "split of 4 for 1" in restated.reason
    assert done.revised == 32 * 6 + 2
    old, new = (
        room.stored(at=at).filter(pl.col("symbol") == "BTC/USD").sort("ts")["close"] for at in (before, None)
    )
    assert (new.head(old.len()) / old).round(9).unique().to_list() == [0.25]
    assert told(room.update(), "restated") == []
    assert room.desk.warehouse.duplicates(OHLCV_H4) == 0


@pytest.mark.parametrize(("hours", "stay"), [(1, 0), (12, 3)])
def test_a_restated_history_with_a_hole_says_how_many_bars_stay_in_old_prices(room, hours, stay):
    room.update()
    before = room.stored()
    room.desk.clock.advance(timedelta(hours=4))
    room.first.factor["BTC/USD"] = 0.5
    hole = datetime(2024, 6, 10, tzinfo=UTC)
    room.first.lacks = lambda at: hole <= at < hole + timedelta(hours=hours)
    (restated,) = told(room.update(), "restated")
    assert restated.severity == ("error" if stay else "warn")
    assert (f"{stay} others could not be had" in restated.reason) == bool(stay)
    both = room.stored().join(before.select("symbol", "ts", was="close"), on=["symbol", "ts"])
    old = both.filter(pl.col("symbol") == "BTC/USD", pl.col("close") == pl.col("was"))
    assert old.height == stay


def test_half_a_refresh_stores_nothing_of_the_symbol_and_is_tried_again(room):
    room.update()
    room.desk.clock.advance(timedelta(hours=4))
    room.first.factor["BTC/USD"] = 0.5
    honest = room.first.bars

    def refuses_history(symbol, length, start, end):
        if symbol == "BTC/USD" and end - start > timedelta(days=2):
            room.first.broken.add(symbol)
        return honest(symbol, length, start, end)

    room.first.bars = refuses_history
    room.second.broken.add("BTC/USD")
    done = room.update()
    (lost,) = told(done, "unreachable")
    assert lost.symbol == "BTC/USD"
    assert "split of 2 for 1" in lost.reason
    assert (done.revised, done.inserted) == (0, 1)
    room.first.bars = honest
    room.first.broken.clear()
    again = room.update()
    assert len(told(again, "restated")) == 1
    assert again.revised == 32 * 6 + 2


def test_another_venue_fills_what_is_missing_and_corrects_nothing(room):
    room.update()
    room.desk.clock.advance(timedelta(hours=4))
    room.first.broken.add("BTC/USD")
    room.second.factor["BTC/USD"] = 1.5
    done = room.update()
    assert len(told(done, "fallback")) == 1
    assert [f.count for f in told(done, "other_venue")] == [5]
    assert (done.inserted, done.revised) == (2, 0)
    room.first.broken.clear()
    back = room.update()
    assert (back.inserted, back.revised, told(back, "restated")) == (0, 0, [])


def test_a_split_on_a_day_when_another_venue_stood_in_shows_when_the_first_one_is_back(room):
    room.update()
    before = room.stored()
    room.first.broken.add("BTC/USD")
    room.first.factor["BTC/USD"] = room.second.factor["BTC/USD"] = 0.5
    for _ in range(6):
        room.desk.clock.advance(CELL)
        room.update()
    room.first.broken.clear()
    room.desk.clock.advance(CELL)
    assert len(told(room.update(), "restated")) == 1
    both = room.stored().join(before.select("symbol", "ts", was="close"), on=["symbol", "ts"])
    ratio = both.filter(pl.col("symbol") == "BTC/USD").select((pl.col("close") / pl.col("was")).round(9))
    assert ratio.to_series().unique().to_list() == [0.5]
    room.desk.clock.advance(CELL)
    assert told(room.update(), "restated") == []


def test_a_venue_that_has_lost_its_own_bars_is_used_and_that_is_told(room):
    room.update()
    room.first.broken.add("BTC/USD")
    for _ in range(6):
        room.desk.clock.advance(CELL)
        room.update()
    room.first.broken.clear()
    room.first.since = room.now - timedelta(hours=20)
    room.desk.clock.advance(CELL)
    done = room.update()
    assert [f.severity for f in told(done, "other_venue")] == ["info", "warn"]
    assert done.inserted == 2


def test_a_split_shows_when_only_an_old_gap_is_filled(room):
    june = (START, datetime(2024, 7, 1, tzinfo=UTC))
    hole = datetime(2024, 6, 10, tzinfo=UTC)
    room.first.lacks = lambda at: hole <= at < hole + CELL
    room.update()
    room.first.lacks = lambda at: False
    room.first.factor["BTC/USD"] = 0.5
    assert [f.symbol for f in told(room.update(window=june), "restated")] == ["BTC/USD"]


def test_a_symbol_out_of_reach_fails_and_is_a_warning_only_when_asked(room):
    room.update()
    room.desk.clock.advance(timedelta(hours=4))
    for venue in (room.first, room.second):
        venue.broken.add("BTC/USD")
    assert [f.severity for f in told(room.update(), "unreachable")] == ["error"]
    room.desk.clock.advance(timedelta(hours=4))
    assert [f.severity for f in told(room.update(allow_stale=True), "unreachable")] == ["warn"]


def test_when_all_are_out_of_reach_stored_rows_are_used_only_when_asked_and_only_if_there_are_some(room):
    for venue in (room.first, room.second):
        venue.broken |= {"BTC/USD", "ETH/USD"}
    for allow_stale in (False, True):
        with pytest.raises(SourceError):
            room.update(allow_stale=allow_stale)
    for venue in (room.first, room.second):
        venue.broken.clear()
    room.update()
    for venue in (room.first, room.second):
        venue.broken |= {"BTC/USD", "ETH/USD"}
    with pytest.raises(SourceError):
        room.update()
    done = room.update(allow_stale=True)
    assert {f.severity for f in told(done, "unreachable")} == {"warn"}
    assert done.fetched == 0


def test_days_follow_from_the_bars_of_the_same_answer(room):
    done = room.update("daily")
    assert done.inserted == 2 * 32
    assert room.update("daily").fetched == 2 * 5


def observed(day: int, value: float, known: int) -> tuple[datetime, float, datetime]:
    return START + timedelta(days=day), value, START + timedelta(days=known)


def test_every_vintage_is_stored_with_its_instant_and_asked_for_again_for_a_year(room):
    room.fred.rows["CFNAI"] = [observed(0, 1.0, 3), observed(0, 2.0, 9), observed(7, 5.0, 8)]
    done = room.macro()
    assert (done.inserted + done.revised, done.fetched) == (3, 3)
    values = [
        room.desk.warehouse.as_of(MACRO, START + timedelta(days=day), columns=("value",))["value"].to_list()
        for day in (2, 4, 8, 9)
    ]
    assert values == [[], [1.0], [1.0, 5.0], [2.0, 5.0]]
    room.fred.rows["CFNAI"].append(observed(7, 6.0, 20))
    july = (datetime(2024, 7, 1, tzinfo=UTC), room.now)
    later = room.macro(july)
    assert (later.inserted + later.revised, later.unchanged) == (1, 3)
    assert room.macro().unchanged == 4
    assert room.fred.asked[-1][1] == START + timedelta(days=7) - timedelta(days=365)


def test_todays_figures_are_corrected_from_now_on(room):
    room.fred.vintage = "latest_revision"
    room.fred.rows["CFNAI"] = [observed(0, 1.0, 3)]
    room.macro()
    room.fred.rows["CFNAI"] = [observed(0, 2.0, 3)]
    assert room.macro().revised == 1
    then = room.now - timedelta(days=1)
    assert room.desk.warehouse.as_of(MACRO, then, columns=("value",))["value"].to_list() == [1.0]


def test_a_series_is_asked_for_from_a_start_of_history_that_was_moved_to_earlier():
    stored = pl.DataFrame({"series": ["A", "A"], "ts": [START, NOW]})
    whole = (START - timedelta(days=800), NOW + timedelta(days=1))
    assert plan_series(stored, "A", whole) == [Window(*whole)]


def test_a_past_stretch_of_a_series_that_is_there_is_not_asked_for():
    stored = pl.DataFrame({"series": ["A", "A"], "ts": [START, NOW]})
    year = (START, START + timedelta(days=9))
    assert plan_series(stored, "A", year) == []
    assert plan_series(stored, "B", year) == [Window(*year)]
    before = (START - timedelta(days=30), START - timedelta(days=20))
    assert plan_series(stored, "A", before) == [Window(*before)]


def test_a_run_asks_each_bar_once_for_both_timeframes_and_the_next_run_only_the_overlap(
    room, instance, no_drawing
):
    asked = []
    for _ in range(2):
        room.first.forget()
        result = materialize(room.opened(), instance, only="group:market", first=START)
        assert result.success
        asked.append(sorted((symbol, end - start) for symbol, _, start, end in room.first.asked))
    whole = room.now - START
    days = timedelta(days=5, hours=9, minutes=20)  # five days and the running one; five H4 bars lie in it
    assert asked[0] == [("BTC/USD", whole), ("ETH/USD", whole)]
    assert {symbol for symbol, _ in asked[1]} == {"BTC/USD", "ETH/USD"}
    assert len(asked[1]) <= 2 * 2
    assert max(span for _, span in asked[1]) == days
