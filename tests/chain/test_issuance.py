import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.chain.issuance import (
    GENESIS,
    HALVING_BLOCKS,
    MAX_SUPPLY,
    annual_flow,
    halving_height,
    s2f_at,
    subsidies,
    subsidy,
    supplies,
    supply_at,
)
from pipeline.errors import DataError

LAST_PAID = 6_929_999


@pytest.mark.parametrize(
    ("height", "expected"),
    [(600_048, 27.3982), (810_432, 59.3689), (892_800, 120.8676)],
)
def test_stock_to_flow_at_the_heights_of_the_definitions(height, expected):
    assert round(s2f_at(height), 4) == expected
    assert s2f_at(height) == supply_at(height - 1) / annual_flow(height)


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        (0, 5_000_000_000),
        (209_999, 5_000_000_000),
        (210_000, 2_500_000_000),
        (420_000, 1_250_000_000),
        (630_000, 625_000_000),
        (840_000, 312_500_000),
        (1_050_000, 156_250_000),
        (2_100_000, 4_882_812),  # half a satoshi is lost here, as in every era after the ninth
        (LAST_PAID, 1),
        (LAST_PAID + 1, 0),
        (10**9, 0),
    ],
)
def test_the_subsidy_halves_and_drops_fractions_of_a_satoshi(height, expected):
    assert subsidy(height) == expected


def test_the_supply_is_the_sum_of_all_subsidies_so_far():
    heights = np.arange(0, 7_000_000)
    paid = subsidies(heights)
    np.testing.assert_array_equal(supplies(heights), np.cumsum(paid))
    assert MAX_SUPPLY == 2_099_999_997_690_000 == supply_at(LAST_PAID) == supply_at(10**9)
    assert supply_at(LAST_PAID - 1) == MAX_SUPPLY - 1


@given(st.integers(0, 8_000_000))
def test_one_height_and_an_array_of_heights_say_the_same(height):
    assert subsidies(np.array([height]))[0] == subsidy(height)
    assert supplies(np.array([[height]]))[0, 0] == supply_at(height)
    assert subsidies(np.array([height])).dtype == np.int64


@given(st.integers(1, 7_000_000))
def test_a_block_adds_its_subsidy(height):
    assert supply_at(height) - supply_at(height - 1) == subsidy(height)


def test_halvings_come_every_210_000_blocks():
    assert [halving_height(n) for n in range(4)] == [0, 210_000, 420_000, 630_000]
    assert subsidy(halving_height(3)) * 8 == subsidy(0)
    assert halving_height(1) == HALVING_BLOCKS
    assert GENESIS.isoformat() == "2009-01-03"


def test_no_heights_have_no_subsidies():
    assert subsidies(np.empty(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("wrong", [-1, 1.0, True, None, "3"])
@pytest.mark.parametrize("function", [subsidy, supply_at, annual_flow, s2f_at])
def test_what_is_no_height_is_refused(function, wrong):
    with pytest.raises(DataError, match="height"):
        function(wrong)


@pytest.mark.parametrize("wrong", [[-1], [0.5], [3, -3], np.array([2**63], np.uint64)])
@pytest.mark.parametrize("function", [subsidies, supplies])
def test_arrays_of_what_is_no_height_are_refused(function, wrong):
    with pytest.raises(DataError, match="heights"):
        function(np.asarray(wrong))


def test_a_halving_before_the_first_block_and_a_ratio_without_flow_are_refused():
    with pytest.raises(DataError, match="no halving"):
        halving_height(-1)
    with pytest.raises(DataError, match="no flow"):
        s2f_at(LAST_PAID + 1)
    assert s2f_at(0) == 0.0


def test_the_schedule_is_read_without_compiling_anything():
    code = "import sys, pipeline.chain.issuance; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
