"""The simulated chain: causal, labelled, on schedule, coherent with the price it is given."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.chain.metrics import Origin, derive
from pipeline.chain.rules import day_findings
from pipeline.chain.sample import simulated_days
from pipeline.config import load_settings

ROOT = Path(__file__).parents[2]
PARAMETERS = load_settings(root=ROOT, environ={}).settings.chain.sample
START = datetime(2019, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def prices(count, seed=3):
    walk = 3700.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.001, 0.03, count)))
    return pl.DataFrame({"ts": [START + DAY * n for n in range(count)], "price_usd": walk})


def simulated(count, parameters=PARAMETERS, given=None):
    given = prices(2000) if given is None else given
    return simulated_days(parameters, START, START + DAY * count, given)


@pytest.fixture(scope="module")
def metrics():
    return derive(simulated(1500), Origin(PARAMETERS.height_before, PARAMETERS.thermocap_usd_before))


def test_more_days_never_change_earlier_ones():
    whole = simulated(1500)
    for count in (1, 30, 700):
        assert_frame_equal(simulated(count), whole.head(count), check_exact=True)


def test_another_future_of_the_price_changes_no_earlier_day():
    other = prices(2000).with_columns(
        pl.when(pl.col("ts") < START + 500 * DAY).then("price_usd").otherwise(pl.col("price_usd") * 3)
    )
    assert_frame_equal(simulated(1500, given=other).head(500), simulated(1500).head(500), check_exact=True)


def test_blocks_come_every_ten_minutes_or_so_and_supply_is_that_of_the_schedule(metrics):
    assert metrics["block_count"].mean() == pytest.approx(144, rel=0.03)
    assert day_findings(metrics, "sample") == []
    halved = metrics.filter(pl.col("height") >= 630_000)
    assert halved["issuance_btc"].to_list()[1] == halved["block_count"].to_list()[1] * 6.25


def test_everything_is_labelled_simulated(metrics):
    assert metrics["simulated"].all()
    assert set(metrics["source"]) == {"simulated"}


def test_the_price_is_that_of_the_world_and_thermocap_goes_on_from_the_named_number(metrics):
    assert metrics["price_usd"].to_list() == prices(1500)["price_usd"].to_list()
    first = metrics.row(0, named=True)
    assert first["thermocap_usd"] == PARAMETERS.thermocap_usd_before + first["miner_revenue_usd"]
    assert metrics["mvrv"].is_between(0.2, 8.0).all()


def test_a_day_without_a_price_has_no_value_and_the_chain_goes_on():
    holed = prices(2000).filter(pl.col("ts") != START + 10 * DAY)
    day = simulated(20, given=holed).row(10, named=True)
    assert day["price_usd"] is None
    assert day["realized_cap_usd"] is None
    assert day["block_count"] > 0


def test_parameters_reach_the_chain():
    for name, value in {
        "seed": 9, "height_before": 600_000, "realized_price_usd_before": 9000.0, "hash_rate_ths_before": 1e7,
        "moved_share": 0.1, "fees_share": 0.5,
    }.items():  # fmt: skip
        assert not simulated(50, PARAMETERS.model_copy(update={name: value})).equals(simulated(50)), name
