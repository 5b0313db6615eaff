"""``bells verify lookahead``: what it prints, what it stores, and when it ends with 5."""

import json
from collections import Counter

import pytest

from assets.lifecycle.facts import subject_of
from assets.lookahead import job as lookahead_job
from assets.lookahead import proof as lookahead
from assets.lookahead.cuts import Cuts
from assets.lookahead.proof import Verdict
from pipeline.lookahead.proof import Proof, Tally
from service.cli.main import invoke
from tests.support.desk import desk_at
from warehouse.tables import ATTESTATIONS

NAMES = {"perturbations", "cells_compared", "changed_cells", "planted", "caught", "false_alarms", "seconds"}


def verdict(changed=0, caught=1, alarms=0):
    """Return what a proof of one asset and one strategy found."""
    proof = Proof(
        perturbations=30,
        by_mode=Counter(noise=10, drop=10, shuffle=10),
        drivers={
            "features/h4": Tally(30, 600, changed),
            "strategy:EquityTrend": Tally(30, 60, 0),
        },
        caught={"shift(-1)": caught},
        false_alarms={"shift(-1)": alarms},
        places=[{"what": "features/h4", "column": "rsi_14", "before": 1.0, "after": 2.0}] * bool(changed),
    )
    cuts = Cuts(cuts=2, materialisations=3, cells={"features/h4": 40}, changed={"features/h4": 0})
    return Verdict(proof, cuts, {"features/h4": ["process", "cuts"]}, {}, [], {"start_changed": 0})


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    assert lookahead_job.prove_graph is lookahead.prove_graph  # bound before it is replaced here

    def command(found, *arguments):
        monkeypatch.setenv("EIGHTBELLS_HOME", str(tmp_path))
        monkeypatch.setattr(lookahead, "prove_graph", lambda *_, **__: found)
        code = invoke(["verify", "lookahead", *arguments])
        return code, capsys.readouterr()

    return command


def test_a_clean_proof_ends_with_0_and_prints_its_figures(run):
    code, said = run(verdict(), "--json")
    answer = json.loads(said.out)
    assert code == 0
    assert answer.keys() >= NAMES
    assert (answer["ok"], answer["cells_compared"], answer["changed_cells"]) == (True, 700, 0)
    assert (answer["planted"], answer["caught"], answer["false_alarms"]) == (1, 1, 0)
    assert said.err == ""


@pytest.mark.parametrize("found", [{"changed": 3}, {"caught": 0}, {"alarms": 1}], ids=str)
def test_a_changed_cell_a_missed_leak_or_a_false_alarm_ends_with_5(run, found):
    code, said = run(verdict(**found), "--json")
    assert code == 5
    assert json.loads(said.out)["ok"] is False


def test_people_see_what_was_driven_and_which_cells_changed(run):
    code, said = run(verdict(changed=1))
    assert code == 5
    assert "cells that changed though they were known" in said.out
    assert "rsi_14" in said.out


def test_every_asset_and_strategy_gets_its_attestation(run, tmp_path):
    _, said = run(verdict(), "--json", "--seed", "3")
    stored = desk_at(tmp_path).warehouse.as_of(ATTESTATIONS)
    assert set(stored["attestation_id"]) == {json.loads(said.out)["attestation_id"]}
    rows = {row["name"]: row for row in stored.to_dicts()}
    assert (rows["features/h4"]["cells"], rows["features/h4"]["cuts"]) == (640, 2)
    assert (rows["EquityTrend"]["what"], rows["EquityTrend"]["version"]) == ("strategy", "1.0.0")
    assert {row["seed"] for row in rows.values()} == {3}


def test_the_attestation_of_a_strategy_names_the_parameters_that_it_was_computed_with(run, tmp_path):
    def stored(*options):
        _, said = run(verdict(), "--json", *options)
        made = desk_at(tmp_path).warehouse.as_of(ATTESTATIONS)
        rows = made.filter(made["attestation_id"] == json.loads(said.out)["attestation_id"])
        return {row["name"]: row for row in rows.to_dicts()}

    usual = stored()
    other = stored("--set", "strategies.EquityTrend.parameters.sma_days=150")
    assert usual["EquityTrend"]["identity"] == subject_of(desk_at(tmp_path), "EquityTrend").identity
    assert usual["EquityTrend"]["identity"] != other["EquityTrend"]["identity"]
    assert json.loads(other["EquityTrend"]["params_json"])["sma_days"] == 150
    assert usual["features/h4"]["identity"] is None


@pytest.mark.parametrize("option", ["--perturbations", "--cuts"])
def test_a_proof_of_nothing_is_refused(run, option):
    code, said = run(verdict(), option, "0")
    assert code == 1
    assert option in said.err
