"""The whole real folder through the command line, judged by the bench that ``make verify`` runs."""

import pytest

from benchmarks.real_folder import OUTAGES, measure

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


@pytest.fixture(scope="module")
def measured(real_data):
    return measure(real_data)


def test_everything_loads_and_nothing_is_an_error(measured):
    assert measured["worst_exit"] == 0
    assert (measured["stocks"], measured["symbols"], measured["series"]) == (249, 254, 34)
    assert measured["rows"] > 880_000
    assert measured["other_errors"] == 0


def test_a_second_update_writes_nothing_at_all(measured):
    assert measured["second_written"] == 0
    assert measured["file_unchanged"]
    assert measured["second_cpu_s"] < measured["first_cpu_s"] / 2


def test_gaps_are_the_eight_outages_and_what_else_is_known_to_be_missing(measured):
    assert len(OUTAGES) == 16
    assert (measured["gaps"], measured["missing_btc_h4"]) == (8, 16)
    assert measured["outages_equal"]
    assert measured["other_gaps_unexplained"] == 0


def test_bars_made_of_hours_are_those_of_the_file_of_four_hours(measured):
    hours = measured["h4_from_1h"]
    assert hours["compared"] == hours["cells"] == 11_761
    assert hours["max_rel_diff"] == 0.0
    assert hours["volume_differs"] == 3


def test_sessions_have_the_bars_of_the_definitions(measured):
    assert (measured["sessions"], measured["sessions_wrong_are"]) == (4, [])


def test_only_the_known_anomalies_are_set_aside(measured):
    assert measured["anomalies_equal"]
