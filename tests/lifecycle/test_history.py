"""What operators may do, in every order: a state machine beside a plain account of the rules."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.errors import ConfigError, RefusedError
from pipeline.lifecycle.gates import Bound, gate
from pipeline.lifecycle.history import (
    Event,
    Kind,
    Request,
    approvals_missing,
    demotion,
    promotion,
    standing_of,
)
from pipeline.lifecycle.states import State

PASSING = (gate("sharpe", 1.2, Bound(">=", 1.0), "Sharpe", "run it"),)
FAILING = (*PASSING, gate("years", 1.0, Bound(">=", 2.0), "Years", "run it"))
UNKNOWN = (*PASSING, gate("excess", None, Bound(">", 0.0), "Excess", "run it"))
NAMES = ("ann", "Ann ", "bob", "Cleo")


def request(to, operator="ann", *, force=False, version="1.0.0", identity="aa", reason="because"):
    return Request(version, identity, State(to), operator, reason, force)


def grown(*steps):
    """Events after promotions by ``(to, operator)``."""
    events = []
    for to, operator in steps:
        events.append(promotion(events, request(to, operator), PASSING))
    return events


ON_PAPER = (("candidate", "ann"), ("paper", "ann"))


def test_one_operator_takes_a_strategy_to_paper():
    events = grown(*ON_PAPER)
    assert [event.kind for event in events] == [Kind.PROMOTED, Kind.PROMOTED]
    assert standing_of(events, "1.0.0", "aa").state is State.PAPER


def test_live_takes_two_different_operators():
    events = grown(*ON_PAPER, ("live", "ann"))
    assert events[-1].kind is Kind.APPROVED
    assert standing_of(events, "1.0.0", "aa").state is State.PAPER
    assert approvals_missing(events, request("live")) == 1
    for same in ("ann", "ANN", " ann", "\uff41nn"):
        with pytest.raises(RefusedError, match="approved this step already"):
            promotion(events, request("live", same), PASSING)
    events.append(promotion(events, request("live", "bob"), PASSING))
    assert events[-1].kind is Kind.PROMOTED
    assert approvals_missing(events, request("live")) == 0
    assert standing_of(events, "1.0.0", "aa").state is State.LIVE


@pytest.mark.parametrize("gates", [FAILING, UNKNOWN])
def test_a_gate_that_fails_or_is_unknown_refuses_and_names_measured_and_bound(gates):
    with pytest.raises(RefusedError) as refused:
        promotion([], request("candidate"), gates)
    assert refused.value.exit_code == 5
    assert refused.value.field == gates[-1].name
    assert gates[-1].bound in str(refused.value.value)
    assert ("unknown" in str(refused.value.value)) == (gates is UNKNOWN)


def test_force_overrules_gates_and_says_so():
    event = promotion([], request("candidate", force=True), FAILING)
    assert (event.kind, event.forced) == (Kind.PROMOTED, True)
    assert not promotion([], request("candidate", force=True), PASSING).forced


def test_force_is_no_second_operator_and_stays_visible_in_the_step():
    events = grown(*ON_PAPER)
    events.append(promotion(events, request("live", "ann", force=True), UNKNOWN))
    assert (events[-1].kind, events[-1].forced) == (Kind.APPROVED, True)
    with pytest.raises(RefusedError, match="approved this step already"):
        promotion(events, request("live", "ann", force=True), UNKNOWN)
    last = promotion(events, request("live", "bob"), PASSING)
    assert (last.kind, last.forced) == (Kind.PROMOTED, True)


@pytest.mark.parametrize(("operator", "reason"), [("", "why"), ("  ", "why"), ("ann", ""), ("ann", " \n")])
def test_nobody_acts_without_a_name_and_a_reason(operator, reason):
    with pytest.raises(ConfigError):
        promotion([], request("candidate", operator, reason=reason), PASSING)
    with pytest.raises(ConfigError):
        demotion(grown(("candidate", "ann")), operator, reason)


@pytest.mark.parametrize("other", [{"version": "1.0.1"}, {"identity": "bb"}])
def test_another_version_or_other_parameters_begin_in_research(other):
    events = grown(*ON_PAPER, ("live", "ann"))
    standing = standing_of(events, **({"version": "1.0.0", "identity": "aa"} | other))
    assert (standing.state, standing.outdated, standing.approvals) == (State.RESEARCH, State.PAPER, ())
    with pytest.raises(RefusedError):
        promotion(events, request("live", "bob", **other), PASSING)
    assert promotion(events, request("candidate", "bob", **other), PASSING).origin is State.RESEARCH


def test_a_demotion_takes_back_whatever_had_come_further_and_voids_approvals():
    events = grown(*ON_PAPER, ("live", "ann"))
    events.append(demotion(events, "kill switch", "drawdown"))
    assert (events[-1].origin, events[-1].to) == (State.PAPER, State.RESEARCH)
    standing = standing_of(events, "1.0.0", "aa")
    assert (standing.state, standing.approvals) == (State.RESEARCH, ())
    with pytest.raises(RefusedError):
        demotion(events, "ann", "again")


def test_the_same_life_twice_is_read_to_its_end():
    events = grown(("candidate", "ann"))
    events.append(demotion(events, "ann", "because"))
    events.append(promotion(events, request("candidate", "ann"), PASSING))
    assert events[0] == events[2]
    assert standing_of(events, "1.0.0", "aa").state is State.CANDIDATE


class Life(RuleBasedStateMachine):
    """Operators do anything in any order; a plain account of the rules says what must come of it."""

    def __init__(self):
        super().__init__()
        self.events: list[Event] = []
        self.place = 0
        self.signed: set[str] = set()

    @rule(
        to=st.sampled_from(State),
        operator=st.sampled_from(NAMES),
        gates=st.sampled_from([PASSING, FAILING, UNKNOWN]),
        force=st.booleans(),
    )
    def promote(self, to, operator, gates, force):
        states = ["research", "candidate", "paper", "live"]
        name = operator.strip().lower()
        allowed = (
            states.index(str(to)) == self.place + 1
            and (force or gates is PASSING)
            and not (str(to) == "live" and name in self.signed)
        )
        asked = request(to, operator, force=force)
        if not allowed:
            with pytest.raises(RefusedError):
                promotion(self.events, asked, gates)
            return
        event = promotion(self.events, asked, gates)
        self.events.append(event)
        if str(to) == "live" and not self.signed:
            self.signed = {name}
            assert event.kind is Kind.APPROVED
        else:
            self.place, self.signed = self.place + 1, set()
            assert event.kind is Kind.PROMOTED
        if gates is not PASSING:
            assert event.forced

    @rule(operator=st.sampled_from(NAMES))
    def demote(self, operator):
        if self.place == 0:
            with pytest.raises(RefusedError):
                demotion(self.events, operator, "because")
        else:
            self.events.append(demotion(self.events, operator, "because"))
            self.place, self.signed = 0, set()

    @invariant()
    def the_state_is_what_the_rules_say(self):
        assert standing_of(self.events, "1.0.0", "aa").state.rank == self.place

    @invariant()
    def nobody_is_live_without_two_names(self):
        for place, event in enumerate(self.events):
            if event.kind is Kind.PROMOTED and event.to is State.LIVE:
                before = self.events[place - 1]
                assert before.kind is Kind.APPROVED
                assert before.operator.strip().lower() != event.operator.strip().lower()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
