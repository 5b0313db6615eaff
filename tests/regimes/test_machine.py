"""Hysteresis counts new observations in a row; anything in between starts the count anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.regimes.machine import confirmed
from tests.support.reference_regimes import Machine


def after(raw: list[int], confirm: int, start: int = 0) -> list[int]:
    return confirmed(np.array(raw, np.int8), confirm, start).tolist()


def test_a_label_changes_with_the_third_observation_in_a_row():
    assert after([1, 1, 1, 1], 3) == [0, 0, 1, 1]


def test_the_label_in_force_starts_the_count_anew():
    assert after([1, 1, 0, 1, 1, 1], 3) == [0, 0, 0, 0, 0, 1]


def test_a_third_label_in_between_starts_the_count_anew():
    assert after([1, 1, 2, 1, 1, 2, 2, 2], 3) == [0, 0, 0, 0, 0, 0, 0, 2]


def test_with_one_observation_the_label_follows():
    assert after([1, 2, 0], 1) == [1, 2, 0]


def test_nothing_observed_is_nothing_told():
    assert after([], 3) == []


def test_a_count_of_none_is_refused():
    with pytest.raises(ConfigError, match="confirm"):
        after([1], 0)


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 5), st.integers(0, 2))
def test_it_is_the_machine_of_the_definitions(raw, confirm, start):
    machine, expected = Machine(start, confirm), []
    for said in raw:
        machine.observe(said)
        expected.append(machine.label)
    assert after(raw, confirm, start) == expected


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 4), st.data())
def test_what_comes_later_changes_nothing_before(raw, confirm, data):
    cut = data.draw(st.integers(1, len(raw)))
    assert after(raw, confirm)[:cut] == after(raw[:cut], confirm)
