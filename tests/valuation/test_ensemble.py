"""An ensemble: its price, its weights, who is left out, and the interval of its mixture."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.optimize import nnls

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.mixture import mixture_bounds
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.onchain_price import OnChainPrice
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.residuals import PROBABILITIES
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import calibrate, walk_forward
from tests.support.chain_histories import simulated_history

THREE = (PowerLaw(), Thermocap(), MvrvBands())
WEIGHTS = (0.5, 0.3, 0.2)


@pytest.fixture(scope="module")
def history():
    return simulated_history(1300)


def tomorrow(history):
    return history.date[-1].item() + timedelta(days=1)


def singles(history):
    return np.array([each.fit(history).predict(tomorrow(history)).predicted_price for each in THREE])


@pytest.mark.parametrize(
    ("aggregation", "wanted"),
    [
        ("weighted_avg", lambda prices: prices @ np.array(WEIGHTS)),
        ("median", np.median),
        ("min", np.min),
        ("max", np.max),
    ],
)
def test_the_price_is_the_aggregate_of_the_members(history, aggregation, wanted):
    mixed = Ensemble(members=THREE, weights=WEIGHTS, aggregation=aggregation).fit(history)
    said = mixed.predict(tomorrow(history))
    assert said.predicted_price == pytest.approx(wanted(singles(history)), rel=1e-14)
    assert list(said.metadata["members"].values()) == pytest.approx(singles(history).tolist())
    assert said.metadata["weights"] == dict(
        zip(("power_law", "thermocap", "mvrv_bands"), WEIGHTS, strict=True)
    )
    assert not said.metadata["incomplete"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": THREE[:1], "weights": (1.0,)},
        {"members": (PowerLaw(), PowerLaw()), "weights": (0.5, 0.5)},
        {"weights": (0.5, 0.5)},
        {"weights": (0.5, 0.6, -0.1)},
        {"weights": (0.5, 0.3, 0.3)},
        {"weights": (float("nan"), 0.5, 0.5)},
        {"weights": "equal"},
        {"aggregation": "mean"},
        {"members": ()},
    ],
)
def test_an_impossible_ensemble_is_refused(wrong):
    with pytest.raises(ConfigError):
        Ensemble(**{"members": THREE, "weights": WEIGHTS, **wrong})


def test_ensembles_do_not_nest():
    inner = Ensemble(members=THREE, weights=WEIGHTS)
    with pytest.raises(ConfigError):
        Ensemble(members=(PowerLaw(), inner), weights=(0.5, 0.5))


def test_a_member_that_cannot_be_fitted_is_left_out_and_named(history):
    members = (PowerLaw(), OnChainPrice(), MvrvBands())
    said = Ensemble(members=members, weights=(0.3, 0.5, 0.2)).fit(history).predict(tomorrow(history))
    assert said.metadata["incomplete"]
    assert said.metadata["left_out"] == {"onchain_price": "the oracle has no confirmed price"}
    assert said.metadata["members"]["onchain_price"] is None
    assert said.metadata["weights"] == pytest.approx(
        {"power_law": 0.6, "onchain_price": 0.0, "mvrv_bands": 0.4}
    )
    power, _, mvrv = singles(history)
    assert said.predicted_price == pytest.approx(0.6 * power + 0.4 * mvrv, rel=1e-14)


def test_a_member_whose_fit_gives_no_price_is_left_out_and_named(history):
    unknown = np.full(history.n, np.nan)
    headless = ChainHistory(history.date, history.known_at, {**history.columns, "height": unknown})
    members = (PowerLaw(), StockToFlow(), Thermocap())
    mixed = Ensemble(members=members, weights=(0.4, 0.2, 0.4))
    for fitted in (mixed.fit(headless), calibrate(mixed, headless)):
        said = fitted.predict(tomorrow(headless))
        assert said.metadata["left_out"] == {"stock_to_flow": "no price from the state of that day"}
        assert said.metadata["weights"] == {"power_law": 0.5, "stock_to_flow": 0.0, "thermocap": 0.5}
        assert said.metadata["incomplete"]


def test_a_member_without_a_price_on_the_day_is_left_out_and_named(history):
    realised = history.columns["realized_cap_usd"].copy()
    realised[-1] = np.nan
    holed = ChainHistory(history.date, history.known_at, {**history.columns, "realized_cap_usd": realised})
    said = Ensemble(members=THREE, weights=WEIGHTS).fit(holed).predict(tomorrow(history))
    assert set(said.metadata["left_out"]) == {"mvrv_bands"}
    assert said.metadata["weights"] == pytest.approx(
        {"power_law": 0.625, "thermocap": 0.375, "mvrv_bands": 0.0}
    )


def test_fewer_than_two_members_left_is_an_error(history):
    with pytest.raises(InsufficientDataError, match="fewer than two members"):
        Ensemble(members=(PowerLaw(), OnChainPrice())).fit(history)


def test_members_with_all_the_weight_left_out_is_an_error(history):
    members = (PowerLaw(), OnChainPrice(), MvrvBands())
    with pytest.raises(InsufficientDataError, match="with a weight are left out"):
        Ensemble(members=members, weights=(0.0, 1.0, 0.0)).fit(history)


def test_fitted_weights_are_the_least_squares_of_past_forecasts(history):
    found = Ensemble(members=THREE).fit(history).fitted.parameters
    walks = [walk_forward(each, history, horizons=(30,)) for each in THREE]
    first = max(walk.origins[0] for walk in walks)
    columns = [(walk.forecast / walk.actual)[walk.origins >= first, 0] for walk in walks]
    ratio = np.column_stack(columns)
    ratio = ratio[np.isfinite(ratio).all(axis=1)]
    solved = nnls(ratio, np.ones(ratio.shape[0]))[0]
    assert ratio.shape[0] > 250
    assert found.weighting == "fitted"
    np.testing.assert_allclose(found.weights, solved / solved.sum(), rtol=1e-9)
    assert sum(found.weights) == pytest.approx(1.0)


def test_below_250_forecasts_weights_are_equal():
    found = Ensemble(members=THREE).fit(simulated_history(620)).fitted.parameters
    assert found.weighting == "equal"
    assert found.weights == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_fits_of_many_days_equal_those_of_each_day_alone(history):
    mixed = Ensemble(members=(PowerLaw(), OnChainPrice(), Thermocap(), MvrvBands()))
    days = [history.date[row] for row in (400, 700, 1000, 1250)]
    together = mixed.estimates(history, days)
    for day, found in zip(days, together, strict=True):
        alone = mixed.estimate(history.at_origin(day))
        assert found.weights == alone.weights
        assert found.weighting == alone.weighting
        assert found.members == alone.members
        assert found.left_out == alone.left_out


def test_the_interval_is_that_of_the_mixture_and_not_the_widest(history):
    mixed = calibrate(Ensemble(members=THREE, weights=WEIGHTS), history)
    said = mixed.predict(tomorrow(history), level=0.68)
    rng = np.random.default_rng(7)
    draws = []
    for member, weight in zip(mixed.members, WEIGHTS, strict=True):
        own = member.predict(tomorrow(history)).predicted_price
        errors = rng.choice(member.fitted.errors.at(1), size=int(400_000 * weight))
        draws.append(own * np.exp(errors))
    low, high = np.quantile(np.concatenate(draws), [0.16, 0.84])
    assert said.confidence_interval.lower == pytest.approx(low, rel=5e-3)
    assert said.confidence_interval.upper == pytest.approx(high, rel=5e-3)
    assert said.metadata["interval"] == "walk_forward"


def test_an_interval_with_a_member_in_sample_is_flagged(history):
    said = Ensemble(members=THREE, weights=WEIGHTS).fit(history).predict(tomorrow(history))
    assert said.metadata["interval"] == "in_sample"


def test_a_mixture_of_one_distribution_is_that_distribution():
    errors = 2.0 * (PROBABILITIES - 0.5)
    levels = (0.68, 0.9)
    mixed = mixture_bounds(
        np.array([[100.0, 50.0], [1.0, 1.0]]), np.array([errors, errors]), np.array([1.0, 0.0]), levels
    )
    for level, (lower, upper) in zip(levels, mixed, strict=True):
        np.testing.assert_allclose(lower, np.array([100.0, 50.0]) * np.exp(-level))
        np.testing.assert_allclose(upper, np.array([100.0, 50.0]) * np.exp(level))


def test_members_are_asked_once_for_a_prediction(history, monkeypatch):
    """A prediction of an ensemble costs no more than those of its members together."""
    mixed = Ensemble(members=THREE, weights=WEIGHTS).fit(history)
    asked = []
    own = Ensemble.prices
    monkeypatch.setattr(Ensemble, "prices", lambda *told: asked.append(1) or own(*told))
    mixed.predict(tomorrow(history), level=0.9)
    assert len(asked) == 1
