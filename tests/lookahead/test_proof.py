"""The proof passes what looks back only, notices what looks ahead, and says what it never compared."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline.errors import BankruptcyError
from pipeline.lookahead.proof import Driver, Stretch, instant_of, prove
from pipeline.seeds import stream

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 120


@pytest.fixture
def stretch():
    rng = np.random.default_rng(1)
    frames = []
    for symbol in ("BTC/USD", "ETH/USD"):
        ts = pl.datetime_range(
            START, START + timedelta(days=DAYS), "4h", time_zone="UTC", eager=True, closed="left"
        ).cast(pl.Datetime("us", "UTC"))
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, len(ts))))
        prices = dict.fromkeys(("open", "high", "low", "close"), close)
        frame = pl.DataFrame({"ts": ts, "open_at": ts, **prices, "volume": close})
        frames.append(
            frame.select(pl.lit(symbol).alias("symbol"), pl.all(), known_at=pl.col("ts") + timedelta(hours=4))
        )
    world = {"market.ohlcv_h4": pl.concat(frames)}
    return Stretch(world, START + timedelta(days=20), START + timedelta(days=DAYS))


def value_of(shift):
    """Return a computation of the close so many bars before, claimed to be known with the bar."""

    def compute(world, _at):
        rows = world["market.ohlcv_h4"].unique(("symbol", "ts"), keep="first", maintain_order=True)
        late = pl.col("known_at").cum_max().over("symbol")
        moved = pl.col("close").shift(shift).over("symbol")
        return rows.select("symbol", "ts", value=moved, known_at=late).filter(
            pl.col("known_at").is_not_null()
        )

    return compute


def proved(stretch, *drivers, **how):
    *_, proof = prove(
        [stretch], drivers, lambda world, _end: world, perturbations=24, seed=3, plants=(), **how
    )
    return proof


KEY = ("symbol", "ts")


def test_what_looks_back_is_not_flagged_in_any_mode(stretch):
    proof = proved(stretch, Driver("back", KEY, value_of(1)), forming=6)
    assert (proof.changed, proof.places) == (0, [])
    assert proof.cells > 1000
    assert (proof.perturbations, proof.forming) == (24, 6)
    assert set(proof.by_mode) == {"noise", "drop", "shuffle"}


def test_one_bar_of_the_future_is_noticed_and_named(stretch):
    proof = proved(stretch, Driver("back", KEY, value_of(1)), Driver("ahead", KEY, value_of(-1)))
    assert proof.drivers["back"].changed == 0
    assert proof.drivers["ahead"].changed > 0
    assert {place["what"] for place in proof.places} == {"ahead"}
    assert {place["column"] for place in proof.places} <= {"value", None}


def test_a_driver_may_run_seldom_but_runs_before_its_turn_until_it_was_compared(stretch):
    proof = proved(stretch, Driver("often", KEY, value_of(1)), Driver("seldom", KEY, value_of(1), every=100))
    assert proof.drivers["often"].perturbations == 24
    assert proof.drivers["seldom"].perturbations == 1
    assert proof.undriven == []


def test_a_computation_that_always_stops_is_undriven_and_not_a_pass(stretch):
    def bankrupt(_world, _at):
        raise BankruptcyError("NAV reached zero")

    proof = proved(stretch, Driver("bankrupt", KEY, bankrupt))
    assert proof.undriven == ["bankrupt"]
    assert proof.drivers["bankrupt"].stopped == 24


def test_an_answer_for_a_closed_window_is_compared_with_that_of_the_same_window(stretch):
    def closed(world, at):
        rows = world["market.ohlcv_h4"].unique(KEY, keep="first", maintain_order=True)
        mean = rows.filter(pl.col("known_at") <= at)["close"].mean()
        return pl.DataFrame({"ts": [at], "mean": [mean], "known_at": [at]})

    proof = proved(stretch, Driver("closed", ("ts",), closed, cut=True))
    assert proof.drivers["closed"].changed == 0
    assert proof.drivers["closed"].cells == 2 * 24


def test_the_same_seed_gives_the_same_proof(stretch):
    once, again = (proved(stretch, Driver("ahead", KEY, value_of(-1))) for _ in range(2))
    assert once == again


def test_instants_lie_in_their_stretch_at_decisions_before_them_and_anywhere(stretch):
    drawn = [instant_of(stretch, kind, stream(8, "test", kind)) for kind in range(40)]
    assert all(stretch.first <= at <= stretch.last + timedelta(hours=4) for at in drawn)
    assert {at.minute for at in drawn[::4]} == {0}
    assert {at.microsecond for at in drawn[1::4]} == {999_999}
