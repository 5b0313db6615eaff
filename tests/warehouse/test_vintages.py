"""Several vintages of one period, in any order and number of deliveries, against a plain Python reading."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.tables import MACRO

DAY = timedelta(days=1)
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
SERIES = "PMI"
SHARED = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

vintage = st.tuples(st.integers(0, 1), st.integers(0, 6), st.sampled_from([None, 50.0, 51.0]))
"""Period, day of publication, value."""
deliveries = st.lists(st.lists(vintage, max_size=4, unique_by=lambda v: v[:2]), min_size=1, max_size=5)


def frame(vintages):
    return pl.DataFrame(
        [
            {
                "feed": "fred", "series": SERIES, "ts": ORIGIN + 31 * DAY * period, "value": value,
                "unit": "index", "source": "x", "vintage": "as_published", "simulated": False,
                "known_at": ORIGIN + day * DAY,
            }
            for period, day, value in vintages
        ],
        schema={
            "feed": pl.String, "series": pl.String, "ts": pl.Datetime("us", "UTC"), "value": pl.Float64,
            "unit": pl.String, "source": pl.String, "vintage": pl.String, "simulated": pl.Boolean,
            "known_at": pl.Datetime("us", "UTC"),
        },
    )  # fmt: skip


def told(vintages):
    """What the publisher had said last by each day: ``{(period, day): value}``, later deliveries winning."""
    return {(period, day): value for period, day, value in vintages}


def as_of(publications, day):
    """The newest publication of each period up to a day, one at a time."""
    found = {}
    for (period, published), value in sorted(publications.items()):
        if published <= day:
            found[period] = value
    return sorted(found.items())


def read(rows):
    return [((ts - ORIGIN) // (31 * DAY), value) for ts, value in rows.select("ts", "value").rows()]


@SHARED
@given(history=deliveries)
def test_every_order_of_delivery_gives_what_the_publisher_had_said(warehouse, clock, history):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.macro")
    moments, said = [], []
    for vintages in history:
        clock.advance(DAY)
        warehouse.append(MACRO, frame(vintages), corrections="given")
        said += vintages
        clock.advance(DAY)
        moments.append((clock.now(), told(said)))
    everything = told(said)
    for day in range(7):
        assert read(warehouse.as_of(MACRO, ORIGIN + day * DAY)) == as_of(everything, day)
    for moment, publications in moments:
        assert read(warehouse.as_of(MACRO, moment, recorded=True)) == as_of(publications, 7)
    newest = read(warehouse.as_of(MACRO))
    assert newest == as_of(everything, 7)
    assert warehouse.duplicates(MACRO) == 0
    kept = warehouse.versions(MACRO)
    last = kept.unique(["ts", "known_at"], keep="last", maintain_order=True)
    assert sorted(
        (period, (known - ORIGIN) // DAY, value)
        for (period, value), known in zip(read(last), last["known_at"], strict=True)
    ) == sorted((*key, value) for key, value in everything.items())


@SHARED
@given(history=deliveries)
def test_the_same_deliveries_again_write_nothing_new_but_what_was_told_differently(warehouse, clock, history):
    with warehouse.write() as cursor:
        cursor.execute("DELETE FROM market.macro")
    whole = frame([(*key, value) for key, value in told([v for d in history for v in d]).items()])
    warehouse.append(MACRO, whole, corrections="given")
    before = warehouse.versions(MACRO)
    clock.advance(DAY)
    assert warehouse.append(MACRO, whole.reverse(), corrections="given").unchanged == whole.height
    assert warehouse.versions(MACRO).equals(before)
