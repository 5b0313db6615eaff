"""Labels are the rules' labels on every bar, from what was known then and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_settings
from pipeline.errors import SchemaError
from pipeline.regimes.classify import INPUTS, classify
from pipeline.regimes.observations import Observations, as_number, as_time
from pipeline.regimes.transitions import Cause, transitions
from pipeline.regimes.vocabulary import DIMENSIONS, START, code, labels
from tests.support.reference_regimes import reference_labels
from tests.support.small_regimes import DAY, FIRST, HOUR, as_reference, decisions, numbers, small_inputs

RULES = load_settings(root=Path(__file__).parents[2], environ={}).settings.regimes
AXIS = decisions(700)


def told(observations, axis=AXIS, rules=RULES) -> dict[str, list[str]]:
    found = classify(axis, observations, rules)
    return {dimension: labels(dimension, codes) for dimension, codes in found.codes.items()}


def daily(values, first=FIRST, until=None) -> Observations:
    """One value a day, known an hour after it; ``until`` days are expected."""
    ts = first + np.arange(len(values)) * DAY
    expected = first + np.arange(until or len(values)) * DAY
    return Observations(ts, ts + DAY + HOUR, np.asarray(values, float), expected, expected + DAY + HOUR)


def at_end_of(day: int) -> int:
    """The first decision that sees the value of a day."""
    return 6 * (day + 1) + 1


@pytest.mark.parametrize("seed", range(4))
def test_the_labels_are_those_of_the_slow_reference_on_every_bar(seed):
    inputs = small_inputs(seed)
    fast, slow = told(inputs), reference_labels(numbers(AXIS), as_reference(inputs))
    assert fast == slow


def test_the_small_inputs_reach_every_label():
    reached = {dimension: set() for dimension in DIMENSIONS}
    for seed in range(4):
        for dimension, words in told(small_inputs(seed)).items():
            reached[dimension] |= set(words)
    assert {(d, str(w)) for d, words in DIMENSIONS.items() for w in words} == {
        (dimension, word) for dimension, words in reached.items() for word in words
    }


def test_without_an_index_the_published_series_tells_and_without_both_the_realised_volatility():
    inputs = small_inputs(5)
    series = {("VIXCLS" if name == "VIX" else name): one for name, one in inputs.items()}
    neither = {name: one for name, one in inputs.items() if name != "VIX"}
    assert told(series)["vol"] == told(inputs)["vol"]
    assert told(neither)["vol"] == reference_labels(numbers(AXIS), as_reference(neither))["vol"]
    assert set(told(neither)["vol"]) == {"low", "normal", "high"}


def test_a_prefix_of_the_decisions_has_the_same_labels():
    inputs = small_inputs(6)
    whole = classify(AXIS, inputs, RULES)
    for cut in (1, 777, 2900, 4199):
        part = classify(AXIS[:cut], inputs, RULES)
        for dimension, of in part.of.items():
            assert (of.codes == whole.of[dimension].codes[:cut]).all()
            for name, values in of.inputs.items():
                assert np.array_equal(values, whole.of[dimension].inputs[name][:cut], equal_nan=True)


def test_a_run_that_starts_later_sees_the_same_labels():
    inputs = small_inputs(7)
    whole, later = told(inputs), told(inputs, AXIS[3000:])
    assert {dimension: words[3000:] for dimension, words in whole.items()} == later


@pytest.mark.parametrize("cut", [1500, 2950, 4000])
def test_noise_in_everything_known_later_changes_nothing_before(cut):
    rng, inputs = np.random.default_rng(cut), small_inputs(8)
    noisy = {}
    for name, one in inputs.items():
        after = one.known_at > AXIS[cut]
        values = np.where(after, one.values * rng.uniform(0.2, 5.0, one.n), one.values)
        noisy[name] = replace(one, values=values)
    before, now = told(inputs), told(noisy)
    assert all(now[dimension][: cut + 1] == before[dimension][: cut + 1] for dimension in before)
    assert any(now[dimension] != before[dimension] for dimension in before)


def test_a_value_that_is_forward_filled_counts_once():
    inputs = {"VIX": daily([20.0, 20.0, 30.0, 30.0], until=4)}
    words = told(inputs, decisions(7))["vol"]
    assert set(words) == {"normal"}, "two observations, however many decisions saw the last one"


def test_the_third_close_changes_the_label_and_no_earlier_decision():
    words = told({"VIX": daily([20.0, 30.0, 30.0, 30.0, 20.0])}, decisions(6))["vol"]
    assert words.index("high") == at_end_of(3)


def test_an_input_that_misses_three_values_falls_back_at_once_and_returns_with_the_next_one():
    index = daily([30.0] * 10 + [30.0] * 10, until=20)
    missing = np.r_[0:10, 14:20]
    gap = Observations(
        index.ts[missing],
        index.known_at[missing],
        index.values[missing],
        index.expected_ts,
        index.expected_known_at,
    )
    found = classify(decisions(22), {"VIX": gap}, RULES)
    words = labels("vol", found.codes["vol"])
    assert words[at_end_of(2)] == words[at_end_of(12) - 1] == "high"
    assert words[at_end_of(12) : at_end_of(14)] == ["normal"] * 12
    assert words[at_end_of(14)] == "high"
    causes = [(change.cause, change.after) for change in transitions(found) if change.dimension == "vol"]
    assert causes == [(Cause.OBSERVATION, "high"), (Cause.STALE, "normal"), (Cause.BACK, "high")]


def test_a_weekend_is_not_stale():
    week = np.arange(60)
    sessions = FIRST + week[week % 7 < 5] * DAY
    index = Observations(sessions, sessions + DAY, np.full(sessions.size, 30.0), sessions, sessions + DAY)
    assert not classify(decisions(60), {"VIX": index}, RULES).of["vol"].stale.any()


@pytest.mark.parametrize(
    ("activity", "slope", "label"),
    [
        (54.0, 0.001, "expansion"),
        (54.0, None, "expansion"),
        (54.0, 0.0, "neutral"),
        (50.0, 0.01, "neutral"),
        (48.0, 0.01, "neutral"),
        (45.0, 0.01, "neutral"),
        (44.9, 0.01, "contraction"),
        (44.9, None, "contraction"),
        (54.0, -0.005, "neutral"),
        (54.0, -0.0051, "contraction"),
    ],
)
def test_the_economy_is_judged_at_a_release_with_the_slope_known_then(activity, slope, label):
    inputs = {"PMI": daily([activity], first=FIRST + 2 * DAY)}
    if slope is not None:
        # The slope turns after the release, which must not matter.
        inputs["T10Y2Y"] = daily([slope, slope, slope, -slope, -slope])
    assert told(inputs, decisions(5))["macro"][-1] == label


def test_a_slope_that_is_three_values_late_counts_as_unknown():
    stopped = daily([-0.02, -0.02], until=12)
    inputs = {"PMI": daily([54.0, 54.0], first=FIRST + 2 * DAY), "T10Y2Y": stopped}
    assert told(inputs, decisions(4))["macro"][-1] == "contraction"
    inputs["PMI"] = daily([54.0], first=FIRST + 9 * DAY)
    assert told(inputs, decisions(11))["macro"][-1] == "expansion"


def test_the_first_activity_series_that_has_a_value_counts():
    inputs = {"PMI": daily([54.0], first=FIRST + 4 * DAY, until=1), "CFNAI": daily([-1.0], until=1)}
    words = told(inputs, decisions(7))["macro"]
    assert words[at_end_of(0)] == words[at_end_of(4) - 1] == "contraction"
    assert words[at_end_of(4)] == "expansion"


def test_a_feed_without_any_input_stays_where_it_starts():
    found = classify(decisions(3), {}, RULES)
    for dimension, of in found.of.items():
        assert (of.codes == code(START[dimension])).all()
        assert np.isnat(of.observed).all()
        assert np.isnan(of.missed).all()
        assert not of.stale.any()
        assert set(of.inputs) == set(INPUTS[dimension])
    assert transitions(found) == []
    assert classify(AXIS[:0], {}, RULES).codes.keys() == DIMENSIONS.keys()


def test_transitions_lead_from_the_start_label_to_the_last_one_and_name_their_numbers():
    found = classify(AXIS, small_inputs(9), RULES)
    changes = transitions(found)
    assert [change.decision for change in changes] == sorted(change.decision for change in changes)
    for dimension, of in found.of.items():
        words = labels(dimension, of.codes)
        at = str(START[dimension])
        for change in [change for change in changes if change.dimension == dimension]:
            row = int(np.searchsorted(AXIS, change.decision))
            assert (change.before, change.after) == (at, words[row])
            assert change.observed == of.observed[row]
            assert {n: v for n, v in change.inputs.items() if v is not None} == {
                n: values[row] for n, values in of.inputs.items() if not np.isnan(values[row])
            }
            at = change.after
        assert at == words[-1]


def test_versions_out_of_order_or_without_a_number_are_refused():
    one = daily([1.0, 2.0])
    with pytest.raises(SchemaError, match="out of order"):
        replace(one, ts=one.ts[::-1])
    with pytest.raises(SchemaError, match="lacks something"):
        replace(one, values=np.array([1.0, np.nan]))
    with pytest.raises(SchemaError, match="one value per label"):
        replace(one, values=np.array([1.0]))


def test_instants_survive_being_numbers():
    times = np.array(["1948-01-01", "NaT", "2026-11-25T12:34:56.789012"], "datetime64[us]")
    assert np.array_equal(as_time(as_number(times)), times, equal_nan=True)
