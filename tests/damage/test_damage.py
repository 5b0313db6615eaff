"""Damaged configs, mappings, files, warehouses and command lines: a clear end, and nothing is lost."""

import pytest

from tests.damage.case import as_process, faults, in_process
from tests.damage.every import CASES
from tests.damage.room import build

PROVEN_BY_PROCESS = 43
"""Every so manieth case is also run in a process of its own."""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return build(tmp_path_factory.mktemp("sound"), lambda room, command: in_process(room, command).code)


def test_there_are_enough_of_them_and_no_two_are_the_same():
    assert len(CASES) >= 100
    assert len({case.kind for case in CASES}) >= 40
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_damage_ends_with_a_clear_message_and_the_right_code(template, case):
    assert faults(case, template) == {}


@pytest.mark.parametrize("case", CASES[::PROVEN_BY_PROCESS], ids=lambda case: case.id)
def test_a_person_sees_no_traceback(template, case):
    assert faults(case, template, as_process) == {}
