"""A book as the product runs it: three strategies, four assets, five years of H4, regimes, risk, attribution.

The world is the sample source's, stored in a scratch warehouse and read back.  The call is what `run_trial`
makes of it: regimes in force at each decision, budgets that follow them, weights, one account, who owns what
of it, and the numbers; reading, features and writing are outside.  No library keeps such a book, so the peer
is the slow account of the tests, in plain Python, over the last part of the window, with equal results.
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from functools import cache
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Job, Row, machine, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assets.backtest.plan import Plan
    from assets.market.history import History
    from assets.regimes.rows import RegimeInputs

    Prepared = tuple[Plan, History, RegimeInputs, tuple[datetime, datetime]]

DECISIONS, ASSETS = 10_962, 4
STRETCH = 180
"""Decisions of the comparison with plain Python, which looks at every bar at every decision."""


@cache
def prepared() -> Prepared:
    """Store the sample world in a scratch home and read back what a book needs of it."""
    from assets.backtest.plan import plan_of
    from assets.backtest.trials import regimes_read, window_of
    from assets.market.history import read_history
    from resources.clock import SimulatedClock
    from resources.desk import open_desk
    from service.cli.updating import update_all

    with TemporaryDirectory(prefix="bench-book-") as home:
        desk = open_desk(
            {"EIGHTBELLS_HOME": home},
            overrides={"backtest.strategy": "portfolio"},
            clock=SimulatedClock(datetime(2025, 2, 1, tzinfo=UTC)),
        )
        desk.home.prepare()
        update_all(desk)
        plan, window = plan_of(desk), window_of(desk)
        read = read_history(
            plan.universe,
            window[1],
            feed=desk.market.feed,
            warehouse=desk.warehouse,
            instruments=desk.loaded.settings.instruments,
        )
        known = regimes_read(desk, plan, window[1])
    if known is None:
        raise RuntimeError("a book reads regimes")
    return plan, read, known, window


def workload(seed: int) -> dict[str, np.ndarray]:
    """Nothing: the world has a seed of its own, and no peer runs elsewhere."""
    return {"seed": np.array([seed])}


def ours(data: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    """Return the call: regimes, budgets, weights, account, attribution, numbers."""
    del data
    plan, read, known, window = prepared()
    features = read.features(plan.specs)
    return lambda: plan.run(read, features, known.at(read.panel.decisions).codes, window)


def beside_plain_python(data: Mapping[str, np.ndarray]) -> list[Row]:
    """Return the row that compares the last decisions of the window with the account kept the slow way."""
    from pipeline.backtest.configured import rules_of, tradables_of
    from pipeline.calendar.grid import from_time64
    from pipeline.strategies.context import Context
    from tests.support import reference_book

    del data
    plan, read, known, window = prepared()
    panel, settings = read.panel, plan.settings
    features, codes = read.features(plan.specs), known.at(panel.decisions).codes
    first = panel.n_bars - STRETCH
    short = (from_time64(panel.ts[first]), window[1])
    contributions = plan.contributions(Context(panel=panel, features=features, regimes=codes))
    rules, assets = rules_of(settings.system), tradables_of(plan.universe, settings.instruments)
    nav, never = settings.system.backtest.initial_nav, np.zeros(panel.n_bars, np.bool_)

    def fast() -> Any:
        return plan.run(read, features, codes, short)

    def slow() -> Any:
        return reference_book.run(panel, contributions, rules, assets, nav, never, start=first)

    result, book = fast(), slow()
    pairs = [(timed(fast), timed(slow)) for _ in range(3)]
    np.testing.assert_allclose(result.simulation.nav, book.navs, rtol=1e-9)
    theirs = [sum(d.earned[m] for d in book.decisions) for m in book.members]
    np.testing.assert_allclose([m.pnl for m in result.book.members], theirs, atol=1e-9 * nav)
    return [
        Row(
            job="book-plain",
            ours_s=statistics.median(a for a, _ in pairs),
            peer="plain Python (tests/support/reference_book.py)",
            peer_s=statistics.median(b for _, b in pairs),
            ratio=statistics.median(b / a for a, b in pairs),
            unit="decisions x assets",
            n=STRETCH * ASSETS,
            machine=machine(),
            workers=1,
            notes=f"the last {STRETCH} decisions; NAV and every strategy's profit equal to 1e-9",
        )
    ]


JOBS = (
    Job(
        name="book",
        unit="decisions x assets",
        n=DECISIONS * ASSETS,
        workload=workload,
        ours=ours,
        rounds=31,
        warmups=5,
        notes="3 strategies, regimes, risk, attribution, numbers; features and writing not included",
        more=beside_plain_python,
    ),
)
