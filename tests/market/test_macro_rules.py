"""Rates in another unit or drawn with a ruler are named; honest ones, near zero too, are not."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline.market.macro_rules import macro_findings

N = 120


def rates(level: float = 0.02, unit: str = "fraction", seed: int = 0) -> pl.DataFrame:
    steps = np.random.default_rng(seed).normal(0.0, 0.0003, N)
    days = [date(2022, 1, 1) + timedelta(days=n) for n in range(N)]
    return pl.DataFrame(
        {
            "series": ["T10Y2Y"] * N,
            "ts": days,
            "value": (level + np.cumsum(steps)).round(4),
            "unit": [unit] * N,
        }
    )


def changed(rows: pl.DataFrame, value: pl.Expr) -> set[str]:
    hit = pl.int_range(pl.len()).is_between(50, 90)
    return {
        f.rule for f in macro_findings(rows.with_columns(value=pl.when(hit).then(value).otherwise("value")))
    }


@pytest.mark.parametrize("level", [0.02, 0.0, -0.003])
def test_honest_rates_are_not_named(level):
    assert all(macro_findings(rates(level, seed=seed)) == [] for seed in range(10))


def test_percents_among_fractions_are_named_where_they_begin_and_end():
    found = changed(rates(), pl.col("value") * 100)
    assert found == {"unit_change", "out_of_unit"}
    assert changed(rates(2.0, "points"), pl.col("value") / 100) == {"unit_change"}


def test_a_ruled_stretch_is_named():
    assert changed(rates(), 0.02 + 0.0001 * pl.int_range(pl.len())) == {"straight_line"}


def test_nothing_is_judged_without_a_word():
    assert macro_findings(rates().clear()) == []
    assert macro_findings(rates().with_columns(value=pl.lit(None, pl.Float64))) == []
