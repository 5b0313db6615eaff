"""Both clocks keep the promises of the port."""

import ast
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline.errors import TimestampError
from resources.clock import Clock, SimulatedClock, SystemClock

ROOT = Path(__file__).parents[2]
NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


def test_a_simulated_clock_stands_still_until_it_is_moved():
    clock = SimulatedClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(hours=4)) == clock.now() == NOON + timedelta(hours=4)
    assert clock.monotonic() == 4 * 3600


def test_sleeping_moves_a_simulated_clock_forward_and_never_back():
    clock: Clock = SimulatedClock(NOON)
    clock.sleep_until(NOON + timedelta(minutes=2))
    clock.sleep_until(NOON)
    assert clock.now() == NOON + timedelta(minutes=2)


def test_a_simulated_clock_shows_utc_whatever_zone_it_was_given():
    clock = SimulatedClock(datetime(2024, 7, 1, 8, tzinfo=timezone(timedelta(hours=-4))))
    assert clock.now() == NOON
    assert clock.now().utcoffset() == timedelta(0)


def test_the_system_clock_is_aware_and_wakes_at_the_instant():
    clock: Clock = SystemClock()
    target, began = clock.now() + timedelta(milliseconds=30), clock.monotonic()
    clock.sleep_until(target)
    assert clock.now() >= target
    assert clock.monotonic() - began >= 0.03
    clock.sleep_until(target - timedelta(days=1))


def test_naive_instants_and_negative_steps_are_refused():
    naive = datetime.fromisoformat("2024-07-01")
    for call in (
        lambda: SimulatedClock(naive),
        lambda: SimulatedClock(NOON).sleep_until(naive),
        lambda: SystemClock().sleep_until(naive),
        lambda: SimulatedClock(NOON).advance(timedelta(seconds=-1)),
    ):
        with pytest.raises(TimestampError):
            call()


READS_TIME = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "time_ns"), ("time", "gmtime"), ("time", "localtime"),
}  # fmt: skip


def test_no_other_module_of_the_house_reads_the_time_of_day():
    readers = set()
    for layer in ("pipeline", "warehouse", "resources", "assets", "sensors", "service"):
        for path in (ROOT / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                    owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                    if (owner, node.attr) in READS_TIME:
                        readers.add(str(path.relative_to(ROOT)))
    assert readers == {"resources/clock.py"}
