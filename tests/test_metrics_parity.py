"""The metrics equal those of quantstats and empyrical-reloaded to 1e-9: in small what the benchmark does."""

import math

import pytest

from benchmarks.metrics_parity import BOUND, of_returns, of_run, random_series, worst
from tests.support.small_run import small_run

BOTH = {"quantstats", "empyrical"}


@pytest.mark.filterwarnings("ignore")
def test_metrics_of_random_series_equal_both_libraries():
    found = {}
    numbers = sum(worst(of_returns(*random_series(k)), found) for k in range(12))
    assert numbers == 12 * 14
    assert all(set(libraries) == BOTH for libraries in found.values())
    assert max(max(libraries.values()) for libraries in found.values()) < BOUND


@pytest.mark.filterwarnings("ignore")
def test_reported_metrics_of_a_run_equal_both_libraries():
    found = {}
    worst(of_run(small_run().simulation), found)
    assert set(found) >= {
        "sharpe",
        "sharpe_h4",
        "sortino",
        "cagr",
        "win_rate",
        "profit_factor",
        "monthly_returns",
    }
    assert max(max(libraries.values()) for libraries in found.values()) < BOUND


def test_a_difference_of_a_millionth_is_found():
    found = {}
    worst(iter([("cagr", "other", 0.1, 0.1), ("cagr", "other", 0.1 * (1 + 1e-6), 0.1)]), found)
    assert math.isclose(found["cagr"]["other"], 1e-6, rel_tol=1e-3)
    with pytest.raises(ValueError, match="cagr is unknown"):
        worst(iter([("cagr", "other", None, 0.1)]), found)
