"""A strategy through the engine: window and warm-up, flags, digest, the daily sample of the headline."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import numpy as np
import pytest

from pipeline.backtest import metrics as m
from pipeline.backtest.engine import backtest, simulate
from pipeline.backtest.result import Provenance
from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.errors import ConfigError, InsufficientDataError
from pipeline.strategies.context import Context
from pipeline.strategies.port import Parameters
from tests.support.random_books import random_panel, random_weights

START = datetime(2021, 3, 1, tzinfo=UTC)


class Levels(Parameters):
    level: float = 0.3


@dataclass(frozen=True)
class Blocks:
    """Random weights that depend on nothing but the number of the bar."""

    name: ClassVar[str] = "Blocks"
    version: ClassVar[str] = "2.1.0"
    params_model: ClassVar[type[Parameters]] = Levels
    universe: tuple[str, ...] = ("C0", "E1", "C2")

    def features(self, params):
        return ()

    def weights(self, context, params):
        drawn = random_weights(np.random.default_rng(1), context.panel) * params.level
        return (drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1.0))[: context.shape[0]]


@pytest.fixture
def context():
    return Context(random_panel(np.random.default_rng(7), bars=420, assets=3), {})


ASSETS = tuple(
    Tradable(name, "crypto" if name[0] == "C" else "equity", name[0] == "C") for name in Blocks.universe
)
MADE_UP = Provenance("sample", simulated=True)


def run(context, strategy=None, params=None, **options):
    chosen = {"rules": Rules(), "assets": ASSETS, "provenance": MADE_UP} | options
    return backtest(context, strategy or Blocks(), params or Levels(), **chosen)


def flag(result, name):
    return {f.name: f.value for f in result.flags}.get(name)


def test_the_bars_before_the_window_only_feed_marks_and_volumes(context):
    start, end = START + timedelta(days=20), START + timedelta(days=60)
    done = run(context, start=start, end=end, initial_nav=5000.0)
    ts = done.simulation.ts
    assert (str(ts[0]), str(ts[-1])) == ("2021-03-21T00:00:00.000000", "2021-04-29T20:00:00.000000")
    assert (str(done.start)[:13], str(done.end)[:13]) == ("2021-03-21T00", "2021-04-30T00")
    assert done.simulation.nav[0] == 5000.0
    first = done.simulation.fills[0]
    assert first.row >= 1
    assert done.simulation.filled_at[0] >= ts[0] + np.timedelta64(4, "h")
    assert done.simulation.counters["uncapped"] < run(context).simulation.counters["uncapped"]


def test_a_window_gives_the_account_that_starts_flat_on_its_first_day(context):
    start = 120
    late = simulate(
        context.panel, Blocks().weights(context, Levels()), rules=Rules(), assets=ASSETS, start=start
    )
    silent = Blocks().weights(context, Levels())
    silent[:start] = 0.0
    whole = simulate(context.panel, silent, rules=Rules(), assets=ASSETS)
    np.testing.assert_array_equal(late.nav, whole.nav[start:])
    np.testing.assert_array_equal(late.fills.quantity, whole.fills.quantity)
    np.testing.assert_array_equal(late.fills.row + start, whole.fills.row)


def test_ten_runs_have_one_digest_and_one_changed_price_another(context):
    assert len({run(context).digest for _ in range(10)}) == 1
    other = replace(context.panel, close=context.panel.close.copy(), high=context.panel.high * 2)
    held = np.flatnonzero((run(context).simulation.quantity[:-1, 0] > 0) & ~np.isnan(other.close[1:, 0])) + 1
    other.close[held[0], 0] *= 1.01
    assert run(Context(other, {})).digest != run(context).digest


def test_a_run_without_trades_says_so_first_and_knows_no_win_rate(context):
    done = run(context, params=Levels(level=0.0))
    assert done.flags[0].name == "no_trades"
    numbers = done.metrics
    assert (numbers.win_rate, numbers.sharpe, numbers.bps, numbers.profit_factor) == (None,) * 4
    assert (numbers.turnover, numbers.cost_drag, numbers.trades) == (0.0, 0.0, 0)
    assert numbers.total_return == 0.0


def test_flags_name_what_is_simulated_missing_revised_and_uncapped(context):
    told = Provenance(
        "files",
        simulated=False,
        adjustment={"E1": "split"},
        vintage={"E1": "latest_revision", "C0": "as_published"},
    )
    done = run(context, provenance=told)
    assert flag(done, "simulated") is None
    assert flag(done, "dividends") == "missing"
    assert flag(done, "latest_revision") == "E1"
    assert flag(done, "uncapped") == done.simulation.counters["uncapped"] > 0
    assert flag(done, "cash_rate") == 0.0
    assert flag(run(context), "simulated") is True
    full = run(context, provenance=Provenance("files", simulated=False, adjustment={"E1": "split_dividend"}))
    assert flag(full, "dividends") is None
    assert flag(full, "adjusted_prices") == "E1"
    assert flag(full, "imputed") is None
    assert flag(run(context, provenance=Provenance("files", simulated=False, imputed=3)), "imputed") == 3
    assert flag(full, "survivorship") is None
    chosen = Provenance("files", simulated=False, survivors=("E1", "not in this run"))
    assert flag(run(context, provenance=chosen), "survivorship") == "E1"


@pytest.mark.parametrize("word", ["raw", "split", "split and split_dividend", None])
def test_prices_without_all_their_dividends_say_that_dividends_are_missing(context, word):
    told = Provenance("files", simulated=False, adjustment={} if word is None else {"E1": word})
    done = run(context, provenance=told)
    assert flag(done, "dividends") == "missing"
    assert flag(done, "adjusted_prices") is None
    assert flag(done, "mixed_adjustment") == ("E1" if word and " and " in word else None)


def test_symbols_without_bars_are_named_with_the_share_of_decisions(context):
    assert flag(run(context), "no_bars") is None
    panel = context.panel

    def without(rows, column):
        prices = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "volume")}
        times = {name: getattr(panel, name).copy() for name in ("open_at", "close_at", "known_at")}
        for array in prices.values():
            array[rows, column] = np.nan
        for array in times.values():
            array[rows, column] = np.datetime64("NaT")
        return Context(replace(panel, **prices, **times), {})

    def text_of(context, **window):
        return next(f.text for f in run(context, **window).flags if f.name == "no_bars")

    nothing, late = without(slice(None), 1), without(slice(0, 105), 0)
    assert flag(run(nothing), "no_bars") == "E1"
    assert "E1 (100 % of the decisions)" in text_of(nothing)
    there = int(np.flatnonzero(~np.isnan(late.panel.close[:, 0]))[0])
    assert f"C0 ({100 * there / 420:.3g} % of the decisions)" in text_of(late)
    assert flag(run(without(slice(0, 12), 0)), "no_bars") is None
    assert flag(run(late, start=START + timedelta(days=20)), "no_bars") is None


def test_few_closed_round_trips_are_flagged_in_good_english(context):
    done = run(context)
    closed = done.metrics.round_trips
    assert flag(done, "few_round_trips") == (closed if closed < 20 else None)
    short = run(context, end=START + timedelta(days=4))
    assert flag(short, "few_round_trips") == short.metrics.round_trips < 20
    none = next(f for f in run(context, params=Levels(level=0.0)).flags if f.name == "few_round_trips")
    assert (none.value, none.text) == (0, "Only 0 closed round trips: the numbers say little")


def test_a_halt_is_flagged_with_its_rule(context):
    tight = Rules(drawdown_trigger=0.01, drawdown_release=0.005, drawdown_halt=0.02)
    stayed = run(context, rules=tight, params=Levels(level=1.0))
    assert (flag(stayed, "halts"), flag(stayed, "halted_at_end")) == (1, True)
    resumed = run(context, rules=replace(tight, resume_after_bars=10), params=Levels(level=1.0))
    assert flag(resumed, "halts") > 1
    assert "resume_after_bars: 10" in next(f.text for f in resumed.flags if f.name == "halts")


def test_the_numbers_of_a_run_follow_from_its_series(context):
    done = run(context, initial_nav=20_000.0)
    s, numbers = done.simulation, done.metrics
    assert numbers.years == pytest.approx(420 / 6 / 365.25)
    assert numbers.cagr is None
    assert numbers.bps is None
    daily = np.concatenate([[20_000.0], s.nav[s.daily]])
    returns = daily[1:] / daily[:-1] - 1
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(returns.size / numbers.years)
    assert numbers.sharpe == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(s.daily_returns, returns, atol=1e-15)
    assert all(str(t)[11:13] == "20" for t in s.ts[s.daily])
    spent = float(np.abs(s.fills.quantity * s.fills.price).sum())
    assert numbers.turnover == pytest.approx(spent / s.nav.mean() / numbers.years)
    costs = float(s.fills.fee.sum() + s.fills.slippage.sum())
    assert numbers.cost_drag == pytest.approx(costs / s.nav.mean() / numbers.years)
    assert numbers.trades == s.fills.size
    assert numbers.round_trips + numbers.open_round_trips == s.trips.size
    won = s.trips.pnl[s.trips.exit_row >= 0] > 0
    assert numbers.win_rate == pytest.approx(won.mean())
    months, grown = s.monthly_returns
    assert [str(month) for month in months] == ["2021-03", "2021-04", "2021-05"]
    assert np.prod(1 + grown) - 1 == pytest.approx(numbers.total_return)


def test_costs_lower_the_result_by_what_is_reported(context):
    free = Rules(costs={"equity": Costs(0, 0), "crypto": Costs(0, 0)})
    dear = Rules(costs={"equity": Costs(50, 10), "crypto": Costs(50, 10)})
    plain, costly = run(context, rules=free), run(context, rules=dear)
    assert plain.metrics.cost_drag == 0.0
    assert costly.simulation.final_nav < plain.simulation.final_nav


def test_a_book_of_session_assets_is_sampled_on_session_days_only(context):
    only = np.zeros((420, 3))
    only[:, 1] = 0.3
    done = simulate(context.panel, only, rules=Rules(), assets=ASSETS)
    days = done.ts[done.daily].astype("datetime64[D]")
    there = ~np.isnan(context.panel.close[:, 1])
    sessions = np.unique(context.panel.ts[there].astype("datetime64[D]"))
    np.testing.assert_array_equal(days, sessions)
    mixed = np.full((420, 3), 0.1)
    assert simulate(context.panel, mixed, rules=Rules(), assets=ASSETS).daily.size == 70


def test_a_universe_without_bars_and_an_empty_window_are_refused(context):
    with pytest.raises(ConfigError, match="XYZ"):
        run(context, Blocks(universe=("C0", "XYZ")))
    with pytest.raises(InsufficientDataError, match="window"):
        run(context, start=START + timedelta(days=400))


def test_what_lies_outside_the_universe_is_never_held(context):
    done = run(context, Blocks(universe=("C0",)))
    assert done.simulation.target[:, 0].any()
    assert not done.simulation.target[:, 1:].any()


def test_a_resumed_halt_does_not_reset_the_reported_drawdown(context):
    tight = Rules(drawdown_trigger=0.01, drawdown_release=0.005, drawdown_halt=0.02, resume_after_bars=10)
    done = run(context, rules=tight, params=Levels(level=1.0))
    peak = np.maximum.accumulate(np.concatenate([[100_000.0], done.simulation.nav]))[1:]
    assert done.metrics.max_drawdown == pytest.approx((1 - done.simulation.nav / peak).max())
    assert done.metrics.max_drawdown == m.drawdown(done.simulation.nav, 100_000.0).max()
