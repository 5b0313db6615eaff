"""A crisis window shows what run and benchmark did inside it, and nothing where the run was not there."""

from datetime import timedelta

import numpy as np
import pytest

from pipeline.backtest.benchmark import buy_and_hold
from pipeline.backtest.crisis import Window, crises
from tests.support.small_run import ASSETS, small_account, small_run


@pytest.fixture(scope="module")
def run():
    return small_run()


@pytest.fixture(scope="module")
def hold(run):
    return buy_and_hold(small_account().panel, run.universe, assets=ASSETS, rules=run.rules)


def window(run, first, last):
    begun = run.simulation.ts[0].astype("datetime64[D]").astype(object)
    return Window(begun + timedelta(days=first), begun + timedelta(days=last))


def test_a_window_is_the_stretch_of_nav_between_its_midnights(run):
    done = run.simulation
    (found,) = crises(done, done, {"storm": window(run, 50, 80)})
    decisions = done.ts + np.timedelta64(4, "h")
    nav = dict(zip(decisions, done.nav, strict=True))
    first, last = (np.datetime64(day, "us") for day in (found.window.start, found.window.end))
    assert found.total_return == pytest.approx(nav[last] / nav[first] - 1.0, rel=1e-12)
    inside = [nav[at] for at in sorted(nav) if first <= at <= last]
    falls = [1.0 - value / max(inside[: i + 1]) for i, value in enumerate(inside)]
    assert found.max_drawdown == pytest.approx(max(falls), rel=1e-12)
    gross = done.gross[
        (done.ts + np.timedelta64(4, "h") > first) & (done.ts + np.timedelta64(4, "h") <= last)
    ]
    assert found.mean_exposure == pytest.approx(gross.mean(), rel=1e-12)
    assert (found.hold_return, found.hold_drawdown) == (found.total_return, found.max_drawdown)


def test_the_benchmark_stands_beside_it_on_the_same_window(run, hold):
    (found,) = crises(run.simulation, hold, {"storm": window(run, 50, 80)})
    (alone,) = crises(hold, hold, {"storm": window(run, 50, 80)})
    assert (found.hold_return, found.hold_drawdown) == (alone.total_return, alone.max_drawdown)
    assert found.hold_return != found.total_return


@pytest.mark.parametrize(("first", "last"), [(-10, 20), (390, 401), (-100, -50), (500, 600)])
def test_a_window_that_the_run_does_not_cover_has_no_numbers(run, first, last):
    (found,) = crises(run.simulation, run.simulation, {"away": window(run, first, last)})
    assert not found.covered
    numbers = (
        found.total_return,
        found.max_drawdown,
        found.mean_exposure,
        found.hold_return,
        found.hold_drawdown,
    )
    assert numbers == (None,) * 5


def test_a_window_may_be_the_whole_run(run):
    (found,) = crises(run.simulation, run.simulation, {"all": window(run, 0, 400)})
    assert found.total_return == pytest.approx(run.metrics.total_return, rel=1e-12)
    assert found.max_drawdown == pytest.approx(run.metrics.max_drawdown, rel=1e-12)
