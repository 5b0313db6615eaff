"""States, the steps between them, and which runner takes which."""

import pytest

from pipeline.config import load_settings
from pipeline.errors import RefusedError
from pipeline.lifecycle.states import (
    Runner,
    State,
    chosen_by,
    exceeds,
    require_demotable,
    require_step,
    runnable,
)
from tests.conftest import ROOT

ALL = list(State)


@pytest.mark.parametrize("origin", ALL)
@pytest.mark.parametrize("to", ALL)
def test_a_promotion_goes_exactly_one_step_up(origin, to):
    if to.rank == origin.rank + 1:
        require_step(origin, to)
    else:
        with pytest.raises(RefusedError) as refused:
            require_step(origin, to)
        assert refused.value.exit_code == 5
        assert str(to) in str(refused.value)


def test_research_cannot_be_demoted_and_everything_else_can():
    for state in ALL[1:]:
        require_demotable(state)
    with pytest.raises(RefusedError):
        require_demotable(State.RESEARCH)


@pytest.mark.parametrize(
    ("runner", "taken"), [(Runner.PAPER, {"candidate", "paper"}), (Runner.LIVE, {"live"})]
)
def test_the_paper_runner_takes_candidates_and_paper_and_the_live_runner_takes_live(runner, taken):
    strategies = [(str(state), state, State.RESEARCH) for state in ALL]
    assert set(chosen_by(runner, strategies)) == taken


def test_settings_that_claim_more_than_the_ledger_grants_are_refused_by_every_runner():
    for runner in Runner:
        with pytest.raises(RefusedError) as refused:
            runnable(runner, "EquityTrend", State.CANDIDATE, State.LIVE)
        assert refused.value.field == "strategies.EquityTrend.status"


@pytest.mark.parametrize("ledger", ALL)
@pytest.mark.parametrize("configured", ALL)
def test_only_a_claim_above_the_ledger_exceeds_it(ledger, configured):
    assert exceeds(configured, ledger) == (ALL.index(configured) > ALL.index(ledger))


def test_settings_speak_of_the_same_states():
    settings = load_settings(root=ROOT, environ={}).settings
    assert {each.status for each in settings.strategies.values()} == {State.RESEARCH}
