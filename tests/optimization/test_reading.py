"""What a search's luck is told as: every number with its meaning, and a verdict that says what to do."""

import pytest

from pipeline.optimization.reading import readings, verdict_means


def record(verdict="undecided", deflated="undecided", spa="undecided", least=2.84, **best):
    """A search as commands print it, as far as its luck is told of it."""
    numbers = {"deflated_sharpe": 0.83, "reality_check_p": 0.23, "spa_p": 0.21, "sharpe": 1.9} | best
    return {
        "verdict": verdict,
        "trials": 1200,
        "members": 6,
        "effective_trials": 3.14159,
        "pbo": 0.42,
        "walk_forward_sharpe": None,
        "cpcv_sharpe": 0.8,
        "best": numbers,
        "evidence": {
            "deflated_sharpe": {
                "verdict": deflated,
                "value": numbers["deflated_sharpe"],
                "sharpe": 1.5,
                "threshold": 1.2,
                "needed": 2.0,
                "min_detectable": least,
                "reason": "the returns take two values only",
            },
            "reality_check": {"verdict": spa},
        },
    }


def test_every_number_comes_with_what_it_means():
    told = {each.name: each for each in readings(record())}
    assert told["deflated Sharpe"].value == "0.83"
    assert told["deflated Sharpe"].means.startswith("83 % sure that it beats the best of 1,200 without skill")
    assert "skill from 95 % on, which takes 2" in told["deflated Sharpe"].means
    assert "23 of 100 show a best trial as good" in told["Reality Check p (White)"].means
    assert "the verdict asks this one: 0.05 or less" in told["Reality Check p (Hansen's SPA)"].means
    assert "in 42 of 100 splits" in told["probability of overfitting"].means
    assert "the 6 of this search are as different as 3.14" in told["trials counted (N)"].means
    assert told["walk-forward Sharpe"].value == "unknown"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (record("skill", "skill", "skill"), "both tests say"),
        (record("no skill", "no skill", "undecided"), "the deflated Sharpe would have seen"),
        (record("no skill", "no skill", "no skill"), "the deflated Sharpe and Hansen's SPA would have seen"),
        (record("no skill", "skill", "no skill"), "Hansen's SPA would have seen a true Sharpe ratio of 1 80"),
        (record(), "only a true Sharpe ratio of 2.84 or more would show, 80 times of 100"),
        (record(least=None), "no skill would show"),
        (
            record("undecided", "skill", "undecided"),
            "the deflated Sharpe sees skill, the other test does not",
        ),
    ],
)
def test_the_verdict_says_who_says_so_and_what_follows(found, words):
    said = verdict_means(found)
    assert words in said
    follows = {"skill": "go on to the gates", "no skill": "drop it", "undecided": "do not trade on it"}
    assert follows[found["verdict"]] in said


def test_what_is_not_known_says_why():
    found = record(deflated_sharpe=None, reality_check_p=None, spa_p=None) | {"pbo": None}
    told = {each.name: each for each in readings(found)}
    assert told["deflated Sharpe"].means == "not known: the returns take two values only"
    assert told["Reality Check p (White)"].value == "unknown"
    assert told["probability of overfitting"].means.startswith("not known")
