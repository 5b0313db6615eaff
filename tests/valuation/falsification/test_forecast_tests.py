"""Statistics of forecasts and of residuals equal statsmodels'."""

import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller, coint

from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.valuation.falsification.forecast_tests import diebold_mariano, long_run_variance
from pipeline.valuation.falsification.kernel_scores import dickey_fuller as compiled_dickey_fuller
from pipeline.valuation.falsification.stationarity import dickey_fuller, dickey_fuller_aic, engle_granger

RNG = np.random.default_rng(12)
LOSS, OTHER = RNG.gamma(2.0, size=700), RNG.gamma(2.1, size=700)
WALK = np.cumsum(RNG.standard_normal(600))
BACK = np.convolve(RNG.standard_normal(650), 0.9 ** np.arange(50), "valid")[:600]


def adf(series, lags, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the shape of its answer in a later release
        return adfuller(series, lags, **options)[0]


@pytest.mark.parametrize("horizon", [1, 30, 90])
def test_diebold_mariano_is_the_hac_t_statistic_with_the_small_sample_factor(horizon):
    found = diebold_mariano(LOSS, OTHER, horizon)
    lag, n = int(1.5 * horizon), LOSS.size
    ols = sm.OLS(LOSS - OTHER, np.ones(n)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False}
    )
    factor = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    assert found.lag == lag
    assert found.statistic == pytest.approx(ols.tvalues[0] * factor, rel=1e-10)
    from scipy.stats import t

    assert found.p == pytest.approx(2.0 * t.sf(abs(found.statistic), n - 1), rel=1e-10)


def test_long_run_variance_without_lags_is_the_variance():
    assert long_run_variance(LOSS, 0) == pytest.approx(LOSS.var(), rel=1e-12)


def test_equal_forecasts_have_no_statistic():
    assert diebold_mariano(LOSS, LOSS, 1).statistic is None


def test_losses_that_cannot_be_compared_are_refused():
    with pytest.raises(ConfigError, match="cannot be compared"):
        diebold_mariano(LOSS, OTHER[:-1], 1)
    with pytest.raises(ConfigError, match="cannot be compared"):
        diebold_mariano(LOSS, OTHER, 0)
    with pytest.raises(ConfigError, match="no such lag"):
        long_run_variance(LOSS, LOSS.size)
    with pytest.raises(InsufficientDataError, match="too few losses"):
        diebold_mariano(LOSS[:20], OTHER[:20], 30)


@pytest.mark.parametrize("series", [WALK, BACK], ids=["walk", "back"])
@pytest.mark.parametrize("lags", [0, 1, 5])
def test_dickey_fuller_equals_statsmodels(series, lags):
    expected = adf(series, lags, regression="c", autolag=None)
    assert dickey_fuller(series, lags).statistic == pytest.approx(expected, rel=1e-10)
    side = lags + 4
    room = np.empty((side, side)), np.empty((side, side + 1)), np.empty(side)
    compiled = compiled_dickey_fuller(series + 11.0, series.size, lags, *room)
    assert compiled == pytest.approx(expected, rel=1e-9)
    without = adf(series, lags, regression="n", autolag=None)
    assert dickey_fuller(series, lags, constant=False).statistic == pytest.approx(without, rel=1e-10)


@pytest.mark.parametrize("series", [WALK, BACK], ids=["walk", "back"])
def test_the_lag_by_akaike_equals_that_of_statsmodels(series):
    expected = adf(series, 12, regression="c", autolag="AIC")
    assert dickey_fuller_aic(series, 12).statistic == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_engle_granger_equals_statsmodels(lags):
    together = 0.7 * WALK + BACK
    statistic, _, critical = coint(together, WALK, trend="c", maxlag=lags, autolag=None)
    found = engle_granger(together, WALK, lags=lags)
    assert found.statistic == pytest.approx(statistic, rel=1e-10)
    assert found.critical == pytest.approx(critical[1], rel=1e-6)


def test_a_series_too_short_for_its_regression_is_refused():
    with pytest.raises(InsufficientDataError, match="too short"):
        dickey_fuller(WALK[:6], 3)
