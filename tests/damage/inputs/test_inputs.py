"""Damaged market inputs are named, set aside or refused; clean ones are not; a missing rule shows."""

import pytest

import pipeline.market.series_rules as series
from tests.damage.inputs.case import Desk, clean_findings, judge
from tests.damage.inputs.kinds import all_cases
from tests.damage.inputs.market import real_files, sample_files
from tests.damage.inputs.real_folder import all_findings, false_alarms

CASES = all_cases()
SAMPLE = CASES[::13]
"""A few cases of many kinds; all of them run in ``python -m benchmarks.damaged_inputs``."""
SWITCHED = ("straight_line", "frozen", "swapped_volume", "repeated_history", "spike", "wick", "zero_volume")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk.build(tmp_path_factory.mktemp("inputs") / "home")


def test_there_are_enough_of_them_and_no_two_are_the_same():
    assert len(CASES) >= 200
    assert len({case.kind for case in CASES}) >= 45
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_a_damaged_input_is_named(desk, case):
    assert judge(case, sample_files(), desk) == {}


@pytest.mark.parametrize("rule", SWITCHED)
def test_with_its_rule_switched_off_the_same_input_passes_in_silence(desk, monkeypatch, rule):
    kept = tuple(known for known in series.SERIES_RULES if known.name != rule)
    monkeypatch.setattr(series, "SERIES_RULES", kept)
    case = next(case for case in CASES if rule in case.rules)
    assert {"silent", "unnamed"} <= set(judge(case, sample_files(), desk))


@pytest.mark.parametrize("name", ["btc", "spy", "vix", "hours", "rates"])
def test_nothing_is_said_against_clean_files(desk, name):
    assert clean_findings((name,), sample_files(), desk) == frozenset()


@pytest.mark.realdata
def test_a_damaged_real_file_is_named(desk, real_data):
    files = real_files(real_data)
    assert [judge(case, files, desk) for case in CASES[5::40] if case.file in files] == [
        {} for case in CASES[5::40] if case.file in files
    ]


@pytest.mark.realdata
def test_the_real_folder_raises_no_false_alarm(real_data):
    findings = all_findings(real_data)
    assert false_alarms(findings) == []
    lost = [
        f for f in findings if f.rule == "gap" and f.symbol == "BTC/USD" and f.ts.year in range(2017, 2023)
    ]
    assert sum(f.count for f in lost) == 2 * 16  # of the 4h file, and of the 1h file made into H4
