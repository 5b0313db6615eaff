"""Quantities in lots."""

from pipeline.portfolio.sizing import tidied


def test_the_rounding_of_a_sum_of_lots_is_cleared_and_a_part_that_a_split_left_stays():
    assert 0.1 + 0.2 != 0.3
    assert tidied(0.1 + 0.2, 0.1) == 3 * 0.1
    assert tidied(2.5, 1.0) == 2.5
    assert tidied(5.000000001, 1e-8) == 500_000_000 * 1e-8
