"""What was planted can be found again: correlation, volatility by regime, tails, GARCH, jumps.

Forty simulated years.  Tolerances are about four standard errors of the estimates, or stated beside them.
"""

from datetime import UTC, datetime
from math import sqrt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from pipeline.market.sample.parameters import STATES, WorldParameters
from pipeline.market.sample.regimes import plant
from pipeline.market.sample.steps import STEPS_PER_CELL
from pipeline.market.sample.world import World

ROOT = Path(__file__).parents[2]
SETTINGS = read_document(ROOT / "configs/sources/sample.yaml").data
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
START, END = datetime(1985, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
YEARS = 40.0


def settings(**changes) -> dict:
    """Return the shipped settings with parts replaced, deep: ``crypto={...}`` changes that return law."""
    made = SETTINGS | {"start": START, "backtest": {"start": START, "end": END}}
    laws = {name: SETTINGS["classes"][name] | changes.pop(name, {}) for name in ("equity", "crypto")}
    return made | {"classes": laws} | changes


def a_world(**changes) -> World:
    return World(WorldParameters.model_validate(settings(**changes)), INSTRUMENTS)


@pytest.fixture(scope="module")
def world():
    return a_world()


@pytest.fixture(scope="module")
def history(world):
    return world.history(END)


@pytest.fixture(scope="module")
def daily(world):
    """Log returns of all symbols from session close to session close, crypto at the same instants."""
    return world.bars_daily(END)


def returns_of(daily, symbol):
    bars = daily.filter(pl.col("symbol") == symbol).sort("ts")
    return bars.select("ts", pl.col("close").log().diff().alias(symbol)).drop_nulls()


def correlation(daily, first, second):
    both = returns_of(daily, first).join(returns_of(daily, second), on="ts")
    return both.select(pl.corr(first, second)).item(), both.height


@pytest.mark.parametrize(("pair", "planted"), [(("SPY", "QQQ"), 0.90), (("BTC/USD", "ETH/USD"), 0.80)])
def test_daily_returns_of_one_class_correlate_nearly_as_planted(daily, pair, planted):
    # Jumps of one's own and a GARCH of one's own take a little away.
    found, _ = correlation(daily, *pair)
    assert planted - 0.04 < found < planted + 0.01


@pytest.mark.parametrize(
    ("pair", "planted"),
    [(("SPY", "QQQ"), "equity"), (("BTC/USD", "ETH/USD"), "crypto"), (("QQQ", "ETH/USD"), "across")],
)
def test_half_hours_correlate_as_planted(history, pair, planted):
    # Returns over one scale, so that changing volatility does not blur the estimate.
    steps = history.clock.in_session
    scaled = []
    for path in (history.paths[symbol] for symbol in pair):
        weight = history.clock.equity if path.asset_class == "equity" else history.clock.crypto
        sd = path.level * np.sqrt(weight * np.repeat(path.garch, STEPS_PER_CELL))
        scaled.append(((np.diff(path.log_price) - path.jump) / sd)[steps])
    assert np.corrcoef(*scaled)[0, 1] == pytest.approx(SETTINGS["correlation"][planted], abs=0.015)


def test_equities_and_crypto_correlate_less_by_session_and_day_because_hours_differ(daily):
    found, rows = correlation(daily, "SPY", "BTC/USD")
    assert rows > 9000
    assert 0.12 < found < 0.30


@pytest.mark.parametrize(
    ("symbol", "scope", "law", "per_year"),
    [("SPY", "volatility", "equity", 252.0), ("QQQ", "volatility", "equity", 252.0)],
)
def test_volatility_by_regime_is_as_planted(world, daily, symbol, scope, law, per_year):
    planted = SETTINGS["classes"][law]
    scale = SETTINGS["assets"][symbol]["scale"]
    jumps = planted["jumps"]
    extra = jumps["per_year"] * (scale**2 * (jumps["mean"] ** 2 + jumps["sd"] ** 2) + jumps["own_sd"] ** 2)
    truth = world.truth(END).filter(pl.col("scope") == scope).select("ts", "label")
    rows = returns_of(daily, symbol).join(truth, on="ts")
    for state in STATES[scope]:
        r = rows.filter(pl.col("label") == state)[symbol].to_numpy()
        expected = sqrt(planted["volatility"][state] ** 2 * scale**2 + extra)
        assert np.std(r, ddof=1) * sqrt(per_year) == pytest.approx(expected, rel=0.08), state


@pytest.mark.parametrize("state", STATES["crypto"])
def test_crypto_volatility_and_drift_by_regime_are_as_planted(world, daily, state):
    planted = SETTINGS["classes"]["crypto"]
    jumps = planted["jumps"]
    truth = world.truth(END).filter(pl.col("scope") == "crypto").select("ts", "label")
    rows = returns_of(daily, "BTC/USD").join(truth, on="ts").filter(pl.col("label") == state)
    r = rows["BTC/USD"].to_numpy()
    extra = jumps["per_year"] * (jumps["mean"] ** 2 + jumps["sd"] ** 2 + jumps["own_sd"] ** 2)
    volatility = sqrt(planted["volatility"][state] ** 2 + extra)
    assert np.std(r, ddof=1) * sqrt(365.25) == pytest.approx(volatility, rel=0.08)
    error = volatility / sqrt(r.size / 365.25)
    assert np.mean(r) * 365.25 == pytest.approx(planted["drift"][state], abs=3.0 * error)


def test_equity_drift_rises_from_bear_to_bull(world, daily):
    truth = world.truth(END).filter(pl.col("scope") == "equity").select("ts", "label")
    rows = returns_of(daily, "SPY").join(truth, on="ts")
    drift = {}
    for (state,), part in rows.group_by("label"):
        r = part["SPY"].to_numpy()
        drift[state] = np.mean(r) * 252
        error = np.std(r) * 252 / sqrt(r.size)
        assert drift[state] == pytest.approx(SETTINGS["classes"]["equity"]["drift"][state], abs=3.0 * error)
    assert drift["bear"] < 0 < drift["bull"]


@pytest.mark.parametrize(("symbol", "law"), [("SPY", "equity"), ("ETH/USD", "crypto")])
def test_scaled_cell_returns_follow_the_planted_student_law(history, symbol, law):
    from scipy import stats

    nu = SETTINGS["classes"][law]["tail_index"]
    unit = stats.t(nu, scale=sqrt((nu - 2) / nu))
    sample = history.paths[symbol].innovation
    assert sample.size > 80_000
    assert stats.kstest(sample, unit.cdf).pvalue > 0.01
    assert stats.kstest(sample, stats.t(nu + 1.5, scale=sqrt((nu - 0.5) / (nu + 1.5))).cdf).pvalue < 0.01


def test_the_tail_of_plain_h4_returns_is_heavy(world):
    bars = world.bars_h4(END).filter(pl.col("symbol") == "BTC/USD")
    r = np.abs(np.diff(np.log(bars["close"].to_numpy())))
    largest = np.sort(r)[::-1][:801]
    hill = 1.0 / np.mean(np.log(largest[:-1] / largest[-1]))
    # The planted index is 4; GARCH and jumps make it heavier.  A normal sample of this size gives about 8.
    assert 2.2 < hill < 4.5


def test_garch_is_recovered_from_the_bars_by_maximum_likelihood():
    from scipy import optimize, signal, stats

    flat = {"day_profile": [1.0] * 6, "weekend": 1.0, "volatility": {"risk_on": 0.6, "risk_off": 0.6}}
    calm = {"jumps": {"per_year": 0.0, "mean": 0.0, "sd": 0.0, "own_sd": 0.0}}
    bars = a_world(crypto=flat | calm).bars_h4(END).filter(pl.col("symbol") == "BTC/USD")
    r = np.diff(np.log(bars["close"].to_numpy()))
    r = (r - r.mean()) / r.std()

    def loss(theta):
        level, alpha, persistence, nu = theta
        beta = persistence - alpha
        feed = level * (1.0 - persistence) + alpha * np.concatenate([[level], r[:-1] ** 2])
        variance = signal.lfilter([1.0], [1.0, -beta], feed, zi=[beta * level])[0]
        scale = np.sqrt(variance * (nu - 2.0) / nu)
        return -np.mean(stats.t.logpdf(r / scale, nu) - np.log(scale))

    bounds = [(0.3, 3.0), (0.005, 0.2), (0.7, 0.9995), (2.2, 12.0)]
    fit = optimize.minimize(loss, [1.0, 0.06, 0.97, 6.0], bounds=bounds, method="L-BFGS-B")
    planted = SETTINGS["classes"]["crypto"]
    _, alpha, persistence, nu = fit.x
    assert alpha == pytest.approx(planted["alpha"], abs=0.008)
    assert persistence == pytest.approx(planted["alpha"] + planted["beta"], abs=0.004)
    assert nu == pytest.approx(planted["tail_index"], abs=0.25)


@pytest.mark.parametrize(("law", "symbol"), [("equity", "SPY"), ("crypto", "BTC/USD")])
def test_jumps_come_as_often_and_as_large_as_planted(history, law, symbol):
    planted = SETTINGS["classes"][law]["jumps"]
    jumps = history.paths[symbol].jump
    sizes = jumps[jumps != 0.0]
    expected = planted["per_year"] * YEARS
    assert sizes.size == pytest.approx(expected, abs=4.0 * sqrt(expected))
    sd = sqrt(planted["sd"] ** 2 + planted["own_sd"] ** 2)
    assert np.std(sizes) == pytest.approx(sd, rel=4.0 / sqrt(2.0 * sizes.size))
    assert np.mean(sizes) == pytest.approx(planted["mean"], abs=4.0 * sd / sqrt(sizes.size))


def test_jumps_can_be_seen_in_the_bars_alone():
    # Nearly normal returns, so that whatever lies ten robust deviations out is a jump.
    calm = {"risk_on": 0.15, "risk_off": 0.2}
    world = a_world(crypto={"tail_index": 200.0, "alpha": 0.01, "beta": 0.95, "volatility": calm})
    jumps = world.history(END).paths["BTC/USD"].jump.reshape(-1, STEPS_PER_CELL).sum(axis=1)
    close = world.bars_h4(END).filter(pl.col("symbol") == "BTC/USD")["close"]
    r = close.log().diff().drop_nulls()
    jumps = jumps[1 : r.len() + 1]  # returns begin with the second bar
    usual = r.abs().rolling_median(90, min_samples=20).shift(1).fill_null(strategy="backward") / 0.6745
    found = (r.abs() > 6.0 * usual).to_numpy()
    clear = np.abs(jumps) > 9.0 * usual.to_numpy()
    assert clear.sum() > 50
    assert found[clear].mean() > 0.97
    assert (found & (jumps == 0.0)).sum() <= 0.05 * found.sum()


def test_shocks_are_followed_by_more_volatility(history):
    garch, shock = history.paths["SPY"].garch, history.paths["SPY"].innovation ** 2
    assert np.corrcoef(garch[1:], shock[:-1])[0, 1] > 0.1
    assert np.mean(garch) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("scope", STATES)
def test_regimes_last_as_long_on_average_as_planted(scope):
    parameters = WorldParameters.model_validate(settings())
    codes = plant(parameters.regimes, seed=3, days=400_000)[scope]
    edges = np.flatnonzero(np.diff(codes)) + 1
    spells = np.diff(np.concatenate([[0], edges]))
    states = codes[np.concatenate([[0], edges[:-1]])]
    for number, state in enumerate(STATES[scope]):
        planted = parameters.regimes[scope].states[state]
        lengths = spells[states == number]
        assert lengths.min() >= planted.least_days
        error = np.std(lengths) / sqrt(lengths.size)
        # Whole days are cut, not rounded, so the mean is half a day short.
        assert lengths.mean() == pytest.approx(planted.mean_days - 0.5, abs=4.0 * error)


def test_bear_markets_are_more_often_volatile_than_bull_markets(world):
    truth = world.truth(END)
    wide = truth.pivot(on="scope", index="ts", values="label")
    share = dict(wide.group_by("equity").agg((pl.col("volatility") == "high").mean()).iter_rows())
    assert share["bear"] > share["neutral"] > share["bull"]
