"""Three answers, each with the effect that would have been seen."""

import pytest

from pipeline.optimization.luck.verdict import Verdict, decide, sentence


@pytest.mark.parametrize(
    ("confidence", "detectable", "expected"),
    [
        (0.95, None, Verdict.SKILL),
        (0.9499, 0.99, Verdict.NO_SKILL),
        (0.9499, 1.01, Verdict.UNDECIDED),
        (0.5, None, Verdict.UNDECIDED),
        (None, 0.5, Verdict.UNDECIDED),
    ],
)
def test_no_skill_is_said_only_where_a_relevant_effect_would_have_been_seen(confidence, detectable, expected):
    assert decide(confidence, detectable) is expected


def test_every_verdict_is_printed_with_its_minimum_detectable_effect():
    assert "1.40 with 80 % power" in sentence(Verdict.SKILL, 1.4)
    assert "no effect would have been seen" in sentence(Verdict.UNDECIDED, None)
