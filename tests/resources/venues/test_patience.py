"""Patience: the pace between requests, the waits between tries, and the venue's word on when."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import SourceError
from resources.clock import SimulatedClock
from resources.venues.patience import PassingError, Patience

NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Venue:
    """Fails in passing as often as told, then answers; notes when it was asked."""

    def __init__(self, clock, *waits):
        self.clock, self.waits, self.asked = clock, list(waits), []

    def __call__(self):
        self.asked.append(self.clock.monotonic())
        if self.waits:
            raise PassingError("busy", self.waits.pop(0))
        return "bars"


def ask(patience, venue):
    return patience.ask(venue, of="venue", about="bars")


def test_tries_wait_one_two_and_four_seconds():
    clock = SimulatedClock(NOW)
    venue = Venue(clock, None, None, None)
    assert ask(Patience(clock), venue) == "bars"
    assert venue.asked == [0.0, 1.0, 3.0, 7.0]


def test_the_fourth_failure_is_the_last():
    clock = SimulatedClock(NOW)
    venue = Venue(clock, *[None] * 9)
    with pytest.raises(SourceError, match="within 4 tries") as caught:
        ask(Patience(clock), venue)
    assert len(venue.asked) == 4
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_requests_start_at_least_the_spacing_apart():
    clock = SimulatedClock(NOW)
    patience, venue = Patience(clock, spacing_s=0.7), Venue(clock)
    for _ in range(3):
        ask(patience, venue)
    clock.advance(timedelta(seconds=10))
    ask(patience, venue)
    assert venue.asked == pytest.approx([0.0, 0.7, 1.4, 11.4])
    assert patience.requests == 4


def test_a_longer_word_of_the_venue_wins():
    clock = SimulatedClock(NOW)
    venue = Venue(clock, 30.0)
    ask(Patience(clock), venue)
    assert venue.asked == [0.0, 30.0]


def test_after_giving_up_the_next_question_waits_as_long_as_the_venue_asked():
    clock = SimulatedClock(NOW)
    patience, venue = Patience(clock), Venue(clock, None, None, None, 20.0)
    with pytest.raises(SourceError):
        ask(patience, venue)
    ask(patience, venue)
    assert venue.asked == [0.0, 1.0, 3.0, 7.0, 27.0]


def test_a_pause_that_is_too_long_is_neither_waited_for_nor_disturbed():
    clock = SimulatedClock(NOW)
    patience, venue = Patience(clock), Venue(clock, 3600.0)
    for _ in range(3):
        with pytest.raises(SourceError, match="asks to wait 3600 s"):
            ask(patience, venue)
    assert venue.asked == [0.0]
    clock.advance(timedelta(hours=1))
    assert ask(patience, venue) == "bars"


def test_what_is_no_passing_failure_is_not_asked_again():
    clock = SimulatedClock(NOW)
    asked = []

    def question():
        asked.append(1)
        raise SourceError("no such symbol")

    with pytest.raises(SourceError, match="no such symbol"):
        ask(Patience(clock), question)
    assert len(asked) == 1
