"""Clients that ask through requests give up answers that do not end."""

import gzip
import time
from itertools import count

import pytest
import requests
from requests.exceptions import ConnectionError as BrokenLineError

from resources.clock import SimulatedClock
from resources.venues.bounded import bounded
from tests.support.loopback.server import LoopbackServer, Reply
from tests.support.loopback.venues import NOW


def asked(reply: Reply, **limits) -> requests.Response:
    with LoopbackServer(lambda _: reply, clock=SimulatedClock(NOW)) as line, requests.Session() as session:
        bounded(session, **limits)
        return session.get(line.url, timeout=5)


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_within_the_limits_arrives_whole(zipped):
    body = b'{"a": 1}' * 100_000
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    got = asked(Reply(200, gzip.compress(body) if zipped else body, headers))
    assert got.content == body


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_that_is_too_large_is_a_broken_line_however_it_is_packed(zipped):
    body = b"0" * 3_000_000
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    with pytest.raises(BrokenLineError, match="more than 1 MB"):
        asked(Reply(200, gzip.compress(body) if zipped else body, headers), most_bytes=1_000_000)


def test_an_answer_that_takes_too_long_is_given_up():
    ticks = count(step=60.0)
    with pytest.raises(BrokenLineError, match="more than 120 s"):
        asked(Reply(200, b"0" * 1_000_000), monotonic=lambda: next(ticks))


def test_an_answer_that_was_cut_or_cannot_be_unpacked_is_a_broken_line():
    with pytest.raises(BrokenLineError):
        asked(Reply(200, b"no gzip", {"Content-Encoding": "gzip"}), monotonic=time.monotonic)
