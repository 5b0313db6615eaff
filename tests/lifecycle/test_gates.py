"""Gates: bounds hold where they say, and what is unknown never passes."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lifecycle.budget import allowed_budget, proven
from pipeline.lifecycle.candidate import CandidateFacts, candidate_gates
from pipeline.lifecycle.gates import Band, Bound, Outcome, failing, gate
from pipeline.lifecycle.live import PaperFacts, live_gates
from pipeline.lifecycle.states import State

GOOD = CandidateFacts(
    sharpe=1.0,
    sharpe_low=0.01,
    reality_check_p=0.10,
    excess=0.001,
    max_drawdown=0.25,
    years=2.0,
    round_trips=20,
    leaks=0,
    correlation_drawdown=0.25,
    gap_loss=0.199,
    drawdown_halt=0.20,
)
"""Every fact just inside its bound."""
ON_PAPER = PaperFacts(
    days=60,
    round_trips=20,
    signal_mismatches=0,
    parity_gap=1e-9,
    cost_bps=5.0,
    cost_band=Band(4.0, 6.0),
    return_=0.02,
    return_band=Band(-0.05, 0.06),
    drawdown=0.03,
    drawdown_band=Band(0.01, 0.09),
)
WORSE = {
    "sharpe": 0.999,
    "sharpe_low": 0.0,
    "reality_check_p": 0.101,
    "excess": 0.0,
    "max_drawdown": 0.2501,
    "years": 1.99,
    "round_trips": 19,
    "leaks": 1,
    "correlation_drawdown": 0.2501,
    "gap_loss": 0.20,
}
PAPER_WORSE = {
    "days": 59,
    "round_trips": 19,
    "signal_mismatches": 1,
    "parity_gap": 2e-9,
    "cost_bps": 6.1,
    "return_": 0.07,
    "drawdown": 0.1,
}
MEASURES = [field.name for field in fields(CandidateFacts) if field.name != "drawdown_halt"]


def to_candidate(facts):
    return candidate_gates(facts, "run it", "prove it")


def test_facts_just_inside_every_bound_pass():
    assert not failing(to_candidate(GOOD))
    assert not failing(live_gates(ON_PAPER))


@pytest.mark.parametrize("name", MEASURES)
def test_one_fact_outside_its_bound_fails_its_gate_alone(name):
    assert set(WORSE) == set(MEASURES)
    (failed,) = failing(to_candidate(replace(GOOD, **{name: WORSE[name]})))
    assert failed.verdict is Outcome.FAIL
    assert failed.measured == WORSE[name]


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_one_unknown_fact_leaves_one_gate_unknown_with_what_makes_it(name, nothing):
    (failed,) = failing(to_candidate(replace(GOOD, **{name: nothing})))
    assert failed.verdict is Outcome.UNKNOWN
    assert failed.measured is None
    assert failed.sentence.endswith("prove it" if name == "leaks" else "run it")


@pytest.mark.parametrize("name", PAPER_WORSE)
def test_one_fact_of_paper_trading_outside_its_bound_fails(name):
    (failed,) = failing(live_gates(replace(ON_PAPER, **{name: PAPER_WORSE[name]})))
    assert failed.verdict is Outcome.FAIL


def test_without_paper_trading_every_gate_to_live_is_unknown():
    gates = live_gates(PaperFacts())
    assert len(gates) == 7
    assert {each.verdict for each in gates} == {Outcome.UNKNOWN}


def test_an_unknown_band_holds_nothing():
    (failed,) = failing(live_gates(replace(ON_PAPER, return_band=Band(None, 0.06))))
    assert (failed.name, failed.verdict, failed.measured) == ("paper_return", Outcome.UNKNOWN, 0.02)


def test_the_sharpe_ratio_is_asked_for_after_a_year_only():
    assert "paper_sharpe" not in {each.name for each in live_gates(replace(ON_PAPER, days=364))}
    (failed,) = failing(live_gates(replace(ON_PAPER, days=365)))
    assert (failed.name, failed.verdict) == ("paper_sharpe", Outcome.UNKNOWN)
    assert not failing(live_gates(replace(ON_PAPER, days=365, sharpe=0.8)))


@given(st.floats() | st.none(), st.sampled_from([">", ">=", "<", "<=", "=="]), st.floats(-10, 10))
def test_no_number_that_is_not_there_ever_passes(measured, relation, bound):
    judged = gate("x", measured, Bound(relation, bound), "X", "make it")
    if measured is None or not math.isfinite(measured):
        assert judged.verdict is Outcome.UNKNOWN
    else:
        assert judged.verdict is (Outcome.PASS if Bound(relation, bound).holds(measured) else Outcome.FAIL)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_surer_skill_never_earns_less_and_nobody_gets_more_than_the_whole(one, other, budget):
    low, high = sorted((one, other))
    assert proven(low) <= proven(high) <= 1.0
    assert allowed_budget(State.LIVE, budget, high) <= budget
    assert allowed_budget(State.PAPER, budget, high) <= 0.10
    for state in (State.RESEARCH, State.CANDIDATE):
        assert allowed_budget(state, budget, high) == 0.0


def test_an_unknown_skill_earns_nothing():
    assert allowed_budget(State.LIVE, 0.6, None) == allowed_budget(State.PAPER, 0.6, math.nan) == 0.0
    assert allowed_budget(State.LIVE, 0.6, 0.95) == 0.6
    assert allowed_budget(State.PAPER, 0.6, 0.475) == pytest.approx(0.05)
