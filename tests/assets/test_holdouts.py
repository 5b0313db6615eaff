"""Hold-out windows in the ledger: every door respects them, and the one run that opens them is logged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assets.backtest import holdouts
from assets.backtest.context import market_context
from assets.backtest.trials import run_trial
from assets.lifecycle import steps as lifecycle
from assets.lifecycle.facts import measure, subject_of
from assets.manifests import manifest_for
from assets.market.ingest import update_bars
from pipeline.errors import ConfigError, InsufficientDataError, RefusedError
from pipeline.lifecycle.gates import Outcome
from pipeline.lifecycle.holdouts import Window
from pipeline.lifecycle.states import State
from tests.support.desk import NOW, desk_at
from tests.support.lifecycle_rows import store_run
from warehouse.store import Warehouse

NAME = "EquityTrend"
HELD = Window(NAME, datetime(2019, 3, 1, tzinfo=UTC), datetime(2019, 3, 15, tzinfo=UTC))
QUICK = {
    "strategies.EquityTrend.parameters.sma_days": 5,
    "strategies.EquityTrend.parameters.momentum_short_days": 2,
    "strategies.EquityTrend.parameters.momentum_long_days": 3,
    "controls.random": 0,
}


@pytest.fixture
def opened(tmp_path, world):
    """Open the desk with a window; its warehouse holds the bars of the first months."""

    def at(start, end, **overrides):
        window = {"backtest.start": start, "backtest.end": end}
        return replace(desk_at(tmp_path, overrides=QUICK | window | overrides), market=world)

    desk = at(datetime(2019, 1, 20, tzinfo=UTC), HELD.start)
    for timeframe in ("h4", "daily"):
        update_bars(
            timeframe,
            (world.history.start, NOW),
            market=world,
            warehouse=desk.warehouse,
            now=NOW,
            manifest=manifest_for("test", desk.loaded, NOW),
        )
    return at


@pytest.fixture
def before(opened):
    """The desk with a window that ends where the hold-out begins."""
    return opened(datetime(2019, 1, 20, tzinfo=UTC), HELD.start)


@pytest.fixture
def into(opened):
    """The desk with a window that reaches into it."""
    return opened(datetime(2019, 1, 20, tzinfo=UTC), datetime(2019, 3, 2, tzinfo=UTC))


def events(desk):
    return [row["event"] for row in holdouts.holdouts(desk, NAME)]


def test_runs_and_searches_that_reach_into_a_closed_window_are_refused(before, into):
    holdouts.declare(before, HELD, "ann", "before the search")
    for refused in (run_trial, market_context):
        with pytest.raises(RefusedError, match="would see the hold-out window") as told:
            refused(into)
        assert told.value.exit_code == 5
    assert into.warehouse.query("trials").is_empty()
    assert run_trial(before).row["run_id"]
    assert market_context(before).window[1] == HELD.start


def test_no_run_sees_a_cell_that_a_window_touches(opened, before):
    two = HELD.start.replace(hour=2)
    held = holdouts.declare(before, Window(NAME, two, HELD.end), "ann", "off the grid")
    assert held["window_start"] == HELD.start
    with pytest.raises(RefusedError, match="would see"):
        run_trial(opened(datetime(2019, 1, 20, tzinfo=UTC), two))
    run_trial(before)
    (run,) = before.warehouse.query("runs").to_dicts()
    assert run["window_end"] == HELD.start


def declaring(desk, window):
    """Return the desk's warehouse, in which a window is declared between the run and the rows it leaves."""

    class Late(Warehouse):
        def write_many(self, writes, **options):
            holdouts.declare(desk, window, "ann", "while it ran")
            return super().write_many(writes, **options)

    return Late(desk.warehouse.path, now=desk.clock.now)


def test_a_run_during_which_its_days_were_held_out_is_not_stored(before, into):
    late = replace(into, warehouse=declaring(before, HELD))
    with pytest.raises(RefusedError, match="while it ran") as told:
        run_trial(late)
    assert told.value.exit_code == 5
    assert into.warehouse.query("trials").is_empty()
    assert events(before) == ["declared"]


def test_days_that_a_run_has_seen_cannot_be_held_out_any_more(into):
    run_trial(into)
    with pytest.raises(RefusedError, match="runs with EquityTrend have seen days"):
        holdouts.declare(into, HELD, "ann", "too late")


def test_a_book_counts_as_a_run_of_each_of_its_strategies_and_other_strategies_do_not(before):
    subject = subject_of(before, NAME)
    held = Window(NAME, datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC))
    store_run(before, subject, "other", family="EquityTrendier[SPY]")
    holdouts.declare(before, replace(held, strategy="CryptoMomentum"), "ann", "unseen")
    store_run(before, subject, "book", family="CryptoMomentum+EquityTrend[BTC/USD,SPY]")
    with pytest.raises(RefusedError, match="have seen days"):
        holdouts.declare(before, held, "ann", "seen")


def test_the_chosen_configuration_is_run_once_and_the_log_says_so(opened, before):
    holdouts.declare(before, HELD, "ann", "before the search")
    desk = opened(HELD.start, HELD.end)
    hashed = desk.loaded.config_hash
    window = holdouts.begin_opening(desk, NAME, "bob", "the choice is made", hashed)
    trial = run_trial(desk, kind="verify")
    holdouts.end_opening(desk, window, "bob", "the choice is made", hashed, trial.run_id)
    rows = holdouts.holdouts(desk, NAME)
    assert [row["event"] for row in rows] == ["declared", "opened", "shown"]
    assert [row["operator"] for row in rows] == ["ann", "bob", "bob"]
    assert rows[-1]["run_id"] == trial.run_id
    assert trial.row["start"] == HELD.start
    for again in (hashed, "other"):
        with pytest.raises(RefusedError, match="opened before"):
            holdouts.begin_opening(desk, NAME, "bob", "once more", again)
    assert desk.warehouse.query("trials")["trials"].to_list() == [0]


def test_an_opening_that_was_killed_goes_on_with_the_same_configuration_and_with_no_other(opened, before):
    holdouts.declare(before, HELD, "ann", "before the search")
    desk = opened(HELD.start, HELD.end)
    first = holdouts.begin_opening(desk, NAME, "bob", "made", "ours")
    assert holdouts.begin_opening(desk, NAME, "bob", "made", "ours") == first
    assert events(desk) == ["declared", "opened"]
    with pytest.raises(RefusedError):
        holdouts.begin_opening(desk, NAME, "bob", "made", "theirs")


def test_nothing_is_opened_before_it_is_over_or_stored(before):
    later = replace(HELD, end=datetime(2019, 6, 1, tzinfo=UTC))
    holdouts.declare(before, later, "ann", "before the search")
    with pytest.raises(RefusedError, match="is not over"):
        holdouts.begin_opening(before, NAME, "bob", "made", "ours")
    after = replace(before, clock=type(before.clock)(datetime(2019, 7, 1, tzinfo=UTC)))
    with pytest.raises(InsufficientDataError, match="is not stored"):
        holdouts.begin_opening(after, NAME, "bob", "made", "ours")
    assert events(before) == ["declared"]


def test_nobody_declares_or_opens_without_a_name(before):
    with pytest.raises(ConfigError):
        holdouts.declare(before, HELD, " ", "before the search")
    holdouts.declare(before, HELD, "ann", "before the search")
    with pytest.raises(ConfigError):
        holdouts.begin_opening(before, NAME, "bob", "", "ours")


def test_a_run_through_the_door_is_what_the_gates_measure(before):
    subject = subject_of(before, NAME)
    trial = run_trial(before)
    measured = measure(before, subject)
    facts = measured.facts
    assert measured.run_id == trial.run_id
    assert facts.sharpe == trial.row["sharpe"]
    assert facts.round_trips == trial.row["round_trips"]
    assert facts.max_drawdown == trial.row["max_drawdown"]
    assert facts.years == pytest.approx(40 / 365.25)
    assert 0.0 < facts.gap_loss <= 0.12
    assert facts.reality_check_p is None or 0.0 < facts.reality_check_p <= 1.0
    found = {each.name: each.verdict for each in lifecycle.gates_of(measured, State.CANDIDATE)}
    assert found["years"] is found["round_trips"] is Outcome.FAIL
    assert found["lookahead"] is Outcome.UNKNOWN
    assert found["gap_stress"] is Outcome.PASS
