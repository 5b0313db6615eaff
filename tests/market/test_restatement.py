"""The restatement meter counts what later versions changed, and is silent where nobody can know."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.market.restatement import METER, restatement

ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def versions(*rows, vintage="as_published"):
    """Return versions of one series ``(day, value)``, in the order in which they became known."""
    return pl.DataFrame(
        [
            {"series": "PMI", "ts": ORIGIN + day * DAY, "value": value, "vintage": vintage}
            for day, value in rows
        ],
        schema={"series": pl.String, "ts": METER["first"], "value": pl.Float64, "vintage": pl.String},
    )


def meter(frame):
    (row,) = restatement(frame, "series", ["value"]).drop("series").to_dicts()
    return row


def test_share_mean_and_largest_change_compare_the_newest_value_with_the_first():
    got = meter(versions((0, 50.0), (1, 100.0), (2, 10.0), (3, 7.0), (1, 101.0), (1, 102.0), (2, 9.0)))
    assert (got["cells"], got["restated"], got["share"]) == (4, 2, 0.5)
    assert (got["mean_change"], got["max_change"]) == (pytest.approx(0.06), pytest.approx(0.1))
    assert (got["first"], got["last"]) == (ORIGIN + DAY, ORIGIN + 2 * DAY)


def test_a_value_that_came_back_is_not_restated_and_has_no_change():
    got = meter(versions((0, 50.0), (0, 60.0), (0, 50.0)))
    assert (got["restated"], got["share"], got["mean_change"], got["first"]) == (0, 0.0, None, None)


def test_a_value_that_became_known_or_unknown_is_restated_without_a_change():
    got = meter(versions((0, None), (0, 60.0), (1, 5.0), (1, None), (2, None)))
    assert (got["cells"], got["restated"], got["max_change"]) == (2, 2, None)


def test_where_only_the_latest_revision_exists_everything_is_unknown():
    assert set(meter(versions((0, 50.0), (0, 60.0), vintage="latest_revision")).values()) == {None}


def test_a_provisional_bar_is_no_publication():
    bars = pl.DataFrame(
        {
            "symbol": ["SPY"] * 3, "ts": [ORIGIN] * 3, "close": [99.0, 100.0, 101.0],
            "vintage": ["as_published"] * 3, "state": ["provisional", "final", "final"],
        }
    )  # fmt: skip
    got = restatement(bars, "symbol", ["close"])
    assert got["max_change"].to_list() == [pytest.approx(0.01)]
    assert restatement(bars.head(2), "symbol", ["close"])["restated"].to_list() == [0]


def test_nothing_stored_gives_nothing():
    assert restatement(versions(), "series", ["value"]).is_empty()
