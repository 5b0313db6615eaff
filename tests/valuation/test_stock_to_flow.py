"""Stock-to-flow: vectors by height, and a projection that follows the schedule of halvings."""

from datetime import date

import numpy as np
import pytest

from pipeline.errors import ConfigError, DataError, InsufficientDataError
from pipeline.valuation.history import DAY
from pipeline.valuation.stock_to_flow import (
    StockToFlow,
    fair_value,
    projected_s2f,
    scheduled_s2f,
)
from tests.support.chain_histories import simulated_history


@pytest.mark.parametrize(
    ("height", "s2f", "price"),
    [(600_048, 27.3982, 10_755.8), (810_432, 59.3689, 144_563.2), (892_800, 120.8676, 1_575_647.9)],
)
def test_the_published_coefficients_give_the_published_prices_by_height(height, s2f, price):
    assert scheduled_s2f(height) == pytest.approx(s2f, abs=5e-5)
    assert fair_value(scheduled_s2f(height), intercept=-1.84, slope=3.36) == pytest.approx(price, abs=0.05)


@pytest.mark.parametrize("height", [0, -1, 6_930_000])
def test_a_chain_without_blocks_or_without_flow_has_no_s2f(height):
    with pytest.raises(DataError):
        scheduled_s2f(height)


def test_no_flow_is_an_infinite_price():
    assert fair_value(float("inf"), intercept=-1.84, slope=3.36) == float("inf")


@pytest.mark.parametrize("variant", ["s2fx", "dynamic", ""])
def test_only_the_classic_variant_is_taken(variant):
    with pytest.raises(ConfigError) as refused:
        StockToFlow(variant=variant)
    assert refused.value.field == "stock_to_flow.variant"
    assert ("gold" in refused.value.what) == (variant == "s2fx")


def test_the_s2f_of_a_known_day_is_the_stored_one():
    history = simulated_history(1500)
    known = projected_s2f(history, history.date + DAY, history.date)
    rows = np.isfinite(known) & np.isfinite(history.columns["s2f"])
    assert rows.sum() == 1135
    np.testing.assert_allclose(known[rows], history.columns["s2f"][rows], rtol=1e-12)


@pytest.mark.parametrize("ahead", [1, 30, 364, 365, 700])
def test_a_projection_meets_the_chain_when_blocks_come_as_planned(ahead):
    history = simulated_history(2200)
    origins = np.arange(np.datetime64("2012-02-01"), np.datetime64("2014-06-01"))  # over a halving
    targets = origins + (ahead - 1) * DAY
    foreseen = projected_s2f(history, origins, targets)
    np.testing.assert_allclose(foreseen, history.values_at("s2f", targets), rtol=2e-3)


def test_without_a_year_of_issuance_there_is_no_s2f():
    history = simulated_history(1000)
    assert np.isnan(projected_s2f(history, history.date[:364] + DAY, history.date[:364])).all()
    with pytest.raises(InsufficientDataError):
        StockToFlow().fit(simulated_history(700))


def test_a_day_without_issuance_known_leaves_its_year_unknown():
    from pipeline.valuation.history import ChainHistory

    history = simulated_history(1500)
    issuance = history.columns["issuance_btc"].copy()
    issuance[1000] = np.nan
    holed = ChainHistory(history.date, history.known_at, {**history.columns, "issuance_btc": issuance})
    s2f = projected_s2f(holed, holed.date + DAY, holed.date)
    assert np.isnan(s2f[1000:1365]).all()
    assert np.isfinite(s2f[[999, 1365]]).all()


def test_it_recovers_a_planted_line():
    from pipeline.valuation.history import ChainHistory

    history = simulated_history(1500)
    price = np.exp(-1.5 + 3.0 * np.log(history.columns["s2f"]))
    planted = ChainHistory(history.date, history.known_at, {**history.columns, "price_usd": price})
    fitted = StockToFlow().fit(planted)
    assert fitted.fitted.parameters.intercept == pytest.approx(-1.5, abs=1e-9)
    assert fitted.fitted.parameters.slope == pytest.approx(3.0, abs=1e-9)
    assert fitted.predict(date(2014, 1, 1)).predicted_price == pytest.approx(
        float(planted.values_at("price_usd", np.array(["2014-01-01"], "datetime64[D]"))[0]), rel=1e-2
    )
