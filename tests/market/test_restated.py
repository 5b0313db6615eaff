"""A history told anew is noticed by a few of its closes."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import polars as pl
import pytest

from pipeline.market.restated import restated


def bars(*closes: float, venue: str = "a", minutes: int = 240, state: str = "final") -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    labels = [start + timedelta(hours=4 * i) for i in range(len(closes))]
    return pl.DataFrame({"symbol": "X", "ts": labels, "close": closes}).with_columns(
        venue=pl.lit(venue), covered_minutes=pl.lit(minutes, pl.Int32), state=pl.lit(state)
    )


@pytest.mark.parametrize(
    ("factor", "split"),
    [(0.5, Fraction(2)), (0.1, Fraction(10)), (2 / 3, Fraction(3, 2)), (8.0, Fraction(1, 8)), (1.07, None)],
)
def test_a_simple_ratio_is_called_a_split(factor, split):
    (change,) = restated(bars(100.0, 110.0), bars(100.0 * factor, 110.0 * factor)).values()
    assert change.split == split
    assert change.factor == pytest.approx(factor)
    assert ("split" in str(change)) == (split is not None)


def test_bars_that_moved_by_different_factors_are_no_split():
    (change,) = restated(bars(100.0, 110.0), bars(50.0, 70.0)).values()
    assert change.split is None


@pytest.mark.parametrize(
    "fetched",
    [bars(100.9), bars(50.0, venue="b"), bars(50.0, minutes=180), bars(50.0)[:0]],
    ids=["within one percent", "another venue", "partial", "nothing"],
)
def test_what_may_differ_is_not_restated(fetched):
    assert restated(bars(100.0), fetched) == {}


def test_a_provisional_bar_may_end_elsewhere():
    assert restated(bars(100.0, state="provisional"), bars(50.0)) == {}
