"""The proof with the faulty venues in small, and that it would notice adapters that are not careful."""

from benchmarks import venues
from resources.venues.ccxt_venue import CcxtVenue
from resources.venues.gathering import Gathering

REQUESTS = 60


def test_faulty_venues_cost_no_bar_and_no_manners():
    outcome = venues.run(REQUESTS)
    assert outcome.requests >= REQUESTS
    assert outcome.faults > REQUESTS / 5
    assert venues.holds(outcome), outcome
    assert outcome.bars > 9000


def test_the_same_seed_meets_the_same_faults():
    first, second = venues.run(REQUESTS), venues.run(REQUESTS)
    assert first == second


def test_rows_that_are_kept_twice_are_noticed(monkeypatch):
    def add(self, rows, raw):
        self._rows += [list(row[:6]) for row in rows]

    monkeypatch.setattr(Gathering, "add", add)
    outcome = venues.run(REQUESTS)
    assert outcome.duplicates > 0
    assert not venues.holds(outcome)


def test_rows_that_are_dropped_are_noticed(monkeypatch):
    page = CcxtVenue._page

    def forgetful(self, market, length, since, until):
        rows, raw = page(self, market, length, since, until)
        return (rows[50:], raw[50:]) if len(rows) > 200 else (rows, raw)

    monkeypatch.setattr(CcxtVenue, "_page", forgetful)
    outcome = venues.run(REQUESTS)
    assert outcome.lost > 0
    assert not venues.holds(outcome)


def test_haste_is_noticed():
    outcome = venues.run(REQUESTS, spacing_s=0.0)
    assert outcome.rate_violations > 0
    assert not venues.holds(outcome)


def test_a_forming_bar_that_is_kept_is_noticed(monkeypatch):
    monkeypatch.setattr(venues, "closed_by", lambda clock, _: clock.now() + venues.LENGTHS["1h"])
    assert venues.run(REQUESTS).wrong > 0
