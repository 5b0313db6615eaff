"""The proof with the faulty venues in small, and that it would notice adapters that are not careful."""

import pytest

from benchmarks import venues
from resources.venues.ccxt_venue import CcxtVenue
from resources.venues.gathering import Gathering

REQUESTS = 60


@pytest.fixture(scope="module")
def outcome():
    return venues.run(REQUESTS, kinds=venues.QUICK)


def test_faulty_venues_cost_no_bar_and_no_manners(outcome):
    assert outcome.requests >= REQUESTS
    assert outcome.faults > REQUESTS / 5
    assert venues.holds(outcome), outcome
    assert outcome.bars > 9000


def test_the_same_seed_meets_the_same_faults(outcome):
    assert venues.run(REQUESTS, kinds=venues.QUICK) == outcome


def test_pages_that_overlap_are_no_harm_to_the_product():
    outcome = venues.run(REQUESTS, kinds=("overlap",))
    assert outcome.kinds["overlap"] > REQUESTS / 5
    assert venues.holds(outcome), outcome


def test_rows_that_are_kept_twice_are_noticed(monkeypatch):
    def add(self, rows, raw):
        self._rows += [list(row[:6]) for row in rows]

    monkeypatch.setattr(Gathering, "add", add)
    outcome = venues.run(REQUESTS, kinds=("overlap",))
    assert outcome.duplicates > 0
    assert not venues.holds(outcome)


def test_rows_that_are_dropped_are_noticed(monkeypatch):
    page = CcxtVenue._page

    def forgetful(self, market, length, since, until):
        rows, raw = page(self, market, length, since, until)
        return (rows[50:], raw[50:]) if len(rows) > 200 else (rows, raw)

    monkeypatch.setattr(CcxtVenue, "_page", forgetful)
    outcome = venues.run(REQUESTS, kinds=venues.QUICK)
    assert outcome.lost > 0
    assert not venues.holds(outcome)


def test_haste_is_noticed():
    outcome = venues.run(REQUESTS, kinds=venues.QUICK, spacing_s=0.0)
    assert outcome.rate_violations > 0
    assert not venues.holds(outcome)


def test_a_forming_bar_that_is_kept_is_noticed(monkeypatch):
    monkeypatch.setattr(venues, "closed_by", lambda clock, _: clock.now() + venues.LENGTHS["1h"])
    assert venues.run(REQUESTS, kinds=venues.QUICK).wrong > 0
