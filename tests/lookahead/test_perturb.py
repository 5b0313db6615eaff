"""Another future leaves what was known as it was, and changes the rest in the way it says."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline.lookahead.perturb import (
    LAYOUTS,
    MILD,
    MODES,
    WILD,
    Strength,
    forming_perturbed,
    perturbed,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
AT = START + timedelta(days=30, hours=5)
DAYS = 60


def bars(symbol, every, lag):
    """Return bars of a random walk, known ``lag`` after their close."""
    count = int(timedelta(days=DAYS) / every)
    rng = np.random.default_rng(len(symbol))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    ts = pl.Series([START + every * i for i in range(count)], dtype=pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"ts": ts, "open": close, "high": close * 1.01, "low": close * 0.99, "close": close})
    return frame.select(
        pl.lit(symbol).alias("symbol"), "ts", (pl.col("ts") + timedelta(hours=0)).alias("open_at"),
        "open", "high", "low", "close", pl.Series("volume", rng.lognormal(3.0, 1.0, count)),
        (pl.col("ts") + every + lag).alias("known_at"),
    )  # fmt: skip


@pytest.fixture
def world():
    hours, day, lag = timedelta(hours=4), timedelta(days=1), timedelta(minutes=15)
    macro = bars("PMI", day, lag).select(series="symbol", ts="ts", value="close", known_at="known_at")
    return {
        "market.ohlcv_h4": pl.concat([bars(s, hours, timedelta(0)) for s in ("BTC/USD", "ETH/USD")]),
        "market.ohlcv_daily": pl.concat([bars(s, day, lag) for s in ("BTC/USD", "SPY")]),
        "market.macro": macro,
    }


def known(rows):
    return rows.filter(pl.col("known_at") <= AT)


@pytest.mark.parametrize("strength", [WILD, MILD], ids=["wild", "mild"])
@pytest.mark.parametrize("mode", MODES)
def test_what_was_known_stays_to_the_last_bit_and_something_later_changes(world, mode, strength):
    for seed in range(5):
        other = perturbed(world, AT, mode, np.random.default_rng(seed), strength)
        assert all(known(other[name]).equals(known(rows)) for name, rows in world.items())
        assert not all(other[name].equals(rows) for name, rows in world.items())


def test_the_same_seed_gives_the_same_future(world):
    once, again = (perturbed(world, AT, "noise", np.random.default_rng(4)) for _ in range(2))
    assert all(once[name].equals(again[name]) for name in world)


def test_noise_keeps_every_open_inside_its_range(world):
    other = perturbed(world, AT, "noise", np.random.default_rng(1))["market.ohlcv_h4"]
    assert other.filter((pl.col("low") > pl.col("open")) | (pl.col("open") > pl.col("high"))).is_empty()


def test_a_drop_takes_rows_and_changes_none(world):
    for name, rows in world.items():
        other = perturbed(world, AT, "drop", np.random.default_rng(2))[name]
        assert other.height < rows.height
        assert other.join(rows, on=rows.columns, how="anti").is_empty()


def test_a_shuffle_exchanges_whole_rows_of_values_within_a_series(world):
    other = perturbed(world, AT, "shuffle", np.random.default_rng(3))["market.ohlcv_h4"]
    rows = world["market.ohlcv_h4"]
    values = ["symbol", *LAYOUTS["market.ohlcv_h4"].values]
    assert other.select(values).sort(values).equals(rows.select(values).sort(values))
    assert other.select("symbol", "ts", "known_at").equals(rows.select("symbol", "ts", "known_at"))
    assert not other.equals(rows)


def test_revisions_are_later_versions_of_rows_known_before(world):
    strength = Strength(revised=1.0, late=0)
    other = perturbed(world, AT, "noise", np.random.default_rng(5), strength)["market.ohlcv_h4"]
    later = other.filter(~pl.struct("symbol", "ts").is_first_distinct())
    assert 0 < later.height < world["market.ohlcv_h4"].height
    assert (later["known_at"] > AT).all()
    assert other.select("symbol", "ts", "known_at").equals(
        other.select("symbol", "ts", "known_at").sort("symbol", "ts", "known_at")
    )


def test_only_a_bar_that_had_opened_and_was_not_known_is_forming(world):
    other = forming_perturbed(world, AT, np.random.default_rng(6))
    for name in ("market.ohlcv_h4", "market.ohlcv_daily"):
        changed = world[name].filter(world[name]["close"] != other[name]["close"])
        assert changed.height == 2
        assert (changed["open_at"] <= AT).all()
        assert (changed["known_at"] > AT).all()
    assert other["market.macro"].equals(world["market.macro"])


def test_a_table_that_nobody_can_perturb_is_refused(world):
    with pytest.raises(KeyError, match=r"market\.weather"):
        perturbed({**world, "market.weather": world["market.macro"]}, AT, "drop", np.random.default_rng(0))
