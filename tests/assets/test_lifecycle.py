"""Promotions count on stored rows of exactly what is configured, and are decided and written together."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from assets.lifecycle import steps as lifecycle
from assets.lifecycle.facts import measure, subject_of
from pipeline.errors import ComponentNotFoundError, RefusedError
from pipeline.lifecycle.gates import Outcome, failing
from pipeline.lifecycle.history import Request
from pipeline.lifecycle.states import Cause, State
from tests.support.desk import desk_at
from tests.support.lifecycle_rows import DAYS, END, GOOD_DAYS, store_proof, store_run
from warehouse.tables import LIFECYCLE, ROBUSTNESS

NAME = "EquityTrend"


@pytest.fixture
def desk(tmp_path):
    opened = desk_at(tmp_path)
    opened.home.prepare()
    opened.warehouse.migrate()
    return opened


@pytest.fixture
def subject(desk):
    return subject_of(desk, NAME)


@pytest.fixture
def proven(desk, subject):
    """The desk with a run and a proof on which every gate passes."""
    store_run(desk, subject)
    store_proof(desk, subject)
    return desk


def judged(desk, subject):
    return lifecycle.gates_of(measure(desk, subject), State.CANDIDATE)


def verdicts(desk, subject):
    return {each.name: each.verdict for each in judged(desk, subject)}


def step(desk, subject, to, operator="ann", *, force=False):
    request = Request(subject.version, subject.identity, State(to), operator, "because", force)
    return lifecycle.promote(desk, subject, request, measure(desk, subject))


def state(desk, subject):
    return lifecycle.standing(desk, subject).state


def test_without_a_run_every_gate_is_unknown_and_names_the_command(desk, subject):
    gates = judged(desk, subject)
    assert {each.verdict for each in gates} == {Outcome.UNKNOWN}
    for each in gates:
        command = "bells verify lookahead" if each.name == "lookahead" else "bells backtest run"
        assert command in each.sentence
    with pytest.raises(RefusedError):
        step(desk, subject, "candidate")
    assert lifecycle.history(desk, NAME) == []


def test_a_good_run_and_a_clean_proof_pass_and_the_log_names_the_run(proven, subject):
    assert not failing(judged(proven, subject))
    done = step(proven, subject, "candidate")
    (row,) = lifecycle.history(proven, NAME)
    assert row == dict(done.row)
    assert (row["event"], row["from_state"], row["to_state"]) == ("promoted", "research", "candidate")
    assert (row["operator"], row["reason"], row["forced"]) == ("ann", "because", False)
    assert row["run_id"] == measure(proven, subject).run_id
    assert row["simulated"]
    assert len(json.loads(row["gates_json"])) == 10
    assert state(proven, subject) is State.CANDIDATE


@pytest.mark.parametrize(
    "other",
    [
        {"code_version": "another commit"},
        {"strategy_version": "0.9.0"},
        {"kind": "control"},
        {"source": "files"},
    ],
)
def test_a_run_of_another_code_version_kind_or_feed_does_not_count(desk, subject, other):
    store_run(desk, subject, **other)
    measured = measure(desk, subject)
    assert measured.run_id is None
    assert verdicts(desk, subject)["sharpe"] is Outcome.UNKNOWN
    named = next((str(value) for key, value in other.items() if key.endswith("version")), "makes it")
    assert named in measured.run_missing


def test_a_run_with_other_parameters_does_not_count_and_the_difference_is_named(tmp_path, proven):
    changed = {"strategies.EquityTrend.parameters.sma_days": 150}
    other = replace(desk_at(tmp_path, overrides=changed), warehouse=proven.warehouse)
    measured = measure(other, subject_of(other, NAME))
    assert measured.run_id is None
    assert "sma_days: 200, now 150" in measured.run_missing


def test_of_two_runs_that_count_the_newest_is_measured(proven, subject):
    newer = store_run(proven, subject, "20240102T000000000000-bbbb", sharpe=0.4, data_hash="newer")
    assert measure(proven, subject).run_id == newer
    assert verdicts(proven, subject)["sharpe"] is Outcome.FAIL


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({"changed": 3}, Outcome.FAIL),
        ({"caught": 11}, Outcome.FAIL),
        ({"false_alarms": 1}, Outcome.FAIL),
        ({"code_version": "another commit"}, Outcome.UNKNOWN),
        ({"version": "0.9.0"}, Outcome.UNKNOWN),
        ({"identity": "other parameters"}, Outcome.UNKNOWN),
        ({"identity": None}, Outcome.UNKNOWN),
        ({"feed": "files"}, Outcome.UNKNOWN),
        ({"planted": 0, "caught": 0}, Outcome.UNKNOWN),
        ({"cells": 0}, Outcome.UNKNOWN),
    ],
)
def test_only_a_clean_proof_of_this_version_code_and_feed_counts(desk, subject, other, verdict):
    store_run(desk, subject)
    store_proof(desk, subject, **other)
    assert verdicts(desk, subject)["lookahead"] is verdict


def test_a_proof_with_other_parameters_does_not_count_and_names_them(tmp_path, proven, subject):
    changed = {"strategies.EquityTrend.parameters.sma_days": 150}
    other = replace(desk_at(tmp_path, overrides=changed), warehouse=proven.warehouse)
    told = json.dumps({"sma_days": 200})
    store_proof(proven, subject, "second", params_json=told)
    faster = subject_of(other, NAME)
    store_run(other, faster, "20240103T000000000000-aaaa", config_hash=other.loaded.config_hash)
    (gate,) = (each for each in judged(other, faster) if each.name == "lookahead")
    assert gate.verdict is Outcome.UNKNOWN
    assert "other parameters" in gate.sentence
    assert told in gate.sentence
    store_proof(other, faster, "third")
    assert verdicts(other, faster)["lookahead"] is Outcome.PASS


def test_a_leak_in_any_asset_of_the_proof_fails_the_strategy(proven, subject):
    store_proof(proven, subject, what="asset", name="features/h4", changed=1)
    assert verdicts(proven, subject)["lookahead"] is Outcome.FAIL


def test_a_measure_that_nobody_stored_stays_unknown(desk, subject):
    run = store_run(desk, subject, answers={("stress", "gap", "loss"): None}, max_drawdown=None)
    found = verdicts(desk, subject)
    assert (found["gap_stress"], found["max_drawdown"]) == (Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert desk.warehouse.as_of(ROBUSTNESS, where={"run_id": run, "topic": "stress"}).height == 2


def test_luck_is_counted_over_everything_that_the_family_tried(desk, subject):
    store_run(desk, subject)
    alone = measure(desk, subject)
    noise = np.random.default_rng(3).normal(0.0, 0.008, (12, DAYS))
    for number, days in enumerate(noise):
        store_run(desk, subject, f"20230101T000000000000-{number:04}", days=days, config_hash=f"c{number}")
    many = measure(desk, subject)
    assert many.run_id == alone.run_id
    assert (alone.trials, many.trials) == (1, 13)
    assert many.facts.reality_check_p > alone.facts.reality_check_p
    assert many.deflated_sharpe < alone.deflated_sharpe
    assert (
        many.facts.excess
        == alone.facts.excess
        == pytest.approx((GOOD_DAYS.mean() - 0.5 * 0.0001) * DAYS / 3.0, rel=1e-2)
    )


CASH = np.full(DAYS, 0.0002)


def test_what_cash_earns_is_no_excess_and_passes_no_gate(desk, subject):
    idle = CASH + np.random.default_rng(6).normal(0.0, 0.0001, DAYS)
    store_run(desk, subject, days=idle, cash=CASH)
    facts = measure(desk, subject).facts
    assert facts.excess == pytest.approx(0.5 * (0.0002 - 0.0001) * DAYS / 3.0, abs=2e-3)
    assert facts.reality_check_p is not None
    store_run(desk, subject, "20240102T000000000000-aaaa", days=idle, data_hash="no cash")
    assert measure(desk, subject).facts.excess > facts.excess + 0.02


def test_a_run_whose_cash_nobody_stored_has_no_luck_to_show(desk, subject):
    store_run(desk, subject, cash=None)
    facts = measure(desk, subject).facts
    assert (facts.reality_check_p, facts.excess) == (None, None)
    assert verdicts(desk, subject)["reality_check_p"] is Outcome.UNKNOWN


def test_old_trials_without_cash_still_count_as_tried(desk, subject):
    store_run(desk, subject, days=np.random.default_rng(5).normal(0.0006, 0.008, DAYS))
    alone = measure(desk, subject)
    for number in range(5):
        store_run(desk, subject, f"20230101T000000000000-{number:04}", config_hash=f"c{number}", cash=None)
    after = measure(desk, subject)
    assert after.facts.reality_check_p == pytest.approx(1.0 - (1.0 - alone.facts.reality_check_p) ** 6)
    assert after.trials == 6
    assert after.deflated_sharpe < alone.deflated_sharpe


def test_a_weak_run_is_not_carried_by_a_strong_one_of_its_family(desk, subject):
    weak = np.random.default_rng(4).normal(0.0001, 0.008, DAYS)
    store_run(desk, subject, days=weak)
    store_run(desk, subject, "20230101T000000000000-cccc", config_hash="strong")
    assert measure(desk, subject).facts.reality_check_p > 0.10


def test_trials_on_other_windows_are_not_forgotten(desk, subject):
    store_run(desk, subject, days=np.random.default_rng(5).normal(0.0006, 0.008, DAYS))
    before = measure(desk, subject).facts.reality_check_p
    for number in range(5):
        store_run(
            desk,
            subject,
            f"20230101T000000000000-{number:04}",
            config_hash=f"c{number}",
            window_end=END.replace(month=2),
        )
    after = measure(desk, subject).facts.reality_check_p
    assert after == pytest.approx(1.0 - (1.0 - before) ** 6)


def test_force_overrules_and_is_logged_with_every_gate(desk, subject):
    done = step(desk, subject, "candidate", force=True)
    assert done.row["forced"]
    assert {each["verdict"] for each in json.loads(done.row["gates_json"])} == {"unknown"}
    assert done.row["run_id"] is None


def test_live_refuses_while_nothing_was_traded_on_paper_and_takes_two_operators_when_forced(proven, subject):
    step(proven, subject, "candidate")
    paper = step(proven, subject, "paper")
    assert paper.row["allowed_budget"] == pytest.approx(0.1 * min(1.0, paper.row["deflated_sharpe"] / 0.95))
    with pytest.raises(RefusedError, match="7 of 7 gates to live"):
        step(proven, subject, "live")
    first = step(proven, subject, "live", force=True)
    assert (first.row["event"], first.missing) == ("approved", 1)
    assert first.row["allowed_budget"] == paper.row["allowed_budget"]
    with pytest.raises(RefusedError, match="approved this step already"):
        step(proven, subject, "live", "ANN", force=True)
    second = step(proven, subject, "live", "bob", force=True)
    assert (second.row["event"], second.missing, second.row["seq"]) == ("promoted", 0, 4)
    assert second.row["allowed_budget"] <= 0.60
    assert state(proven, subject) is State.LIVE


@pytest.mark.parametrize("operators", [("bob", "cleo"), ("bob", "bob")])
def test_two_approvals_at_once_are_two_events_or_one_and_a_refusal(tmp_path, proven, subject, operators):
    for to in ("candidate", "paper"):
        step(proven, subject, to)
    measured, answers, together = measure(proven, subject), [], threading.Barrier(2)

    def approve(operator):
        desk = desk_at(tmp_path)
        request = Request(subject.version, subject.identity, State.LIVE, operator, "because", force=True)
        together.wait()
        try:
            answers.append(lifecycle.promote(desk, subject, request, measured).row["event"])
        except RefusedError:
            answers.append("refused")

    threads = [threading.Thread(target=approve, args=[operator]) for operator in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second = "promoted" if len(set(operators)) == 2 else "refused"
    assert sorted(answers) == sorted(["approved", second])
    seqs = [row["seq"] for row in lifecycle.history(proven, NAME)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert proven.warehouse.duplicates(LIFECYCLE) == 0


def test_a_demotion_is_logged_with_its_cause_and_needs_no_configuration(tmp_path, proven, subject):
    step(proven, subject, "candidate")
    changed = desk_at(tmp_path, overrides={"strategies.EquityTrend.parameters.sma_days": 150})
    row = lifecycle.demote(changed, NAME, "desk", "drawdown of 16 %", Cause.DRAWDOWN).row
    assert (row["event"], row["cause"], row["allowed_budget"]) == ("demoted", "drawdown", 0.0)
    assert state(proven, subject) is State.RESEARCH
    with pytest.raises(RefusedError):
        lifecycle.demote(proven, NAME, "ann", "again", Cause.OPERATOR)
    with pytest.raises(ComponentNotFoundError):
        lifecycle.demote(proven, "Nothing", "ann", "again", Cause.OPERATOR)


def test_what_the_simulated_world_grants_counts_nothing_in_the_real_one(proven, subject):
    step(proven, subject, "candidate")

    class Real:
        simulated = False

        def __getattr__(self, name):
            return getattr(proven.market, name)

    assert state(replace(proven, market=Real()), subject) is State.RESEARCH
