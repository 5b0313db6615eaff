"""A split that is told explains the jump of raw prices, and of no others."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.market.actions import known_splits
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.series_rules import series_findings
from resources.clock import SimulatedClock
from warehouse.store import Warehouse
from warehouse.tables import CORPORATE_ACTIONS

START = datetime(2020, 1, 1, tzinfo=UTC)
SPLIT_DAY = START + timedelta(days=100)
PRICES = ("open", "high", "low", "close")


def daily(adjustment: str) -> pl.DataFrame:
    days = [START + timedelta(days=n) for n in range(200) if n != 100]  # no bar on the ex-date itself
    level = [400.0 * (1.0 + 0.01 * ((n * 7919) % 13 - 6) / 6) for n in range(len(days))]
    price = [p if at < SPLIT_DAY else p / 4.0 for p, at in zip(level, days, strict=True)]
    return pl.DataFrame(
        {
            "symbol": ["AAA"] * len(days),
            "ts": days,
            "open": price,
            "high": [p * 1.01 for p in price],
            "low": [p * 0.99 for p in price],
            "close": [p * 1.002 for p in price],
            "volume": [1000.0 + (n * 31) % 97 for n in range(len(days))],
            "adjustment": [adjustment] * len(days),
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def warehouse(tmp_path):
    opened = Warehouse(tmp_path / "w.duckdb", now=SimulatedClock(START + timedelta(days=300)).now)
    split = {"symbol": "AAA", "ts": SPLIT_DAY, "kind": "split", "value": 4.0, "known_at": SPLIT_DAY}
    split |= {"currency": None, "declared_at": None, "source": "test", "simulated": False}
    rows = pl.DataFrame([split], schema=dict(ACTION_SCHEMA)).with_columns(feed=pl.lit("f"))
    opened.append(CORPORATE_ACTIONS, rows)
    return opened


def rules(bars: pl.DataFrame, warehouse: Warehouse) -> set[str]:
    return {f.rule for f in series_findings(bars, splits=known_splits(bars, "f", warehouse))}


def test_the_first_raw_bar_from_the_ex_date_on_is_the_one_that_jumps(warehouse):
    found = known_splits(daily("raw"), "f", warehouse)
    assert found.rows() == [("AAA", SPLIT_DAY + timedelta(days=1))]


def test_a_told_split_explains_the_jump_of_raw_prices(warehouse):
    assert "split_jump" in {f.rule for f in series_findings(daily("raw"))}
    assert "split_jump" not in rules(daily("raw"), warehouse)


def test_prices_that_say_they_are_adjusted_must_not_jump(warehouse):
    assert "split_jump" in rules(daily("split"), warehouse)
