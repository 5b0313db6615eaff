"""The claims are well formed, point at commands that exist, and the judge of them can say no."""

import re
from pathlib import Path

import pytest

from benchmarks.verify import dig, judge, last_json, load_claims, run_command

ROOT = Path(__file__).parents[1]
CLAIMS = load_claims(ROOT / "docs" / "claims.yaml")


def test_every_claim_has_a_name_of_its_own():
    names = [claim["id"] for claim in CLAIMS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_every_command_and_every_test_file_exists(claim):
    module = re.search(r"python -m ([\w.]+)", claim["command"])
    assert module is not None
    path = ROOT / module[1].replace(".", "/")
    assert path.with_suffix(".py").is_file()
    for file in re.findall(r"tests/[\w/]+(?:\.py)?", claim["command"]):
        assert (ROOT / file).exists(), file


CLAIM = {"measure": "rows.name=b.value", "op": "<=", "bound": 2}


@pytest.mark.parametrize(
    ("value", "holds"),
    [(1, True), (2, True), (3, False), (None, False)],
    ids=["below", "at", "above", "null"],
)
def test_a_claim_holds_exactly_within_its_bound(value, holds):
    answer = {"rows": [{"name": "a", "value": 0}, {"name": "b", "value": value}]}
    assert judge(CLAIM, answer, None)[1] is holds


@pytest.mark.parametrize("answer", [{}, {"rows": []}, [], None, {"rows": [{"name": "b"}]}])
def test_an_answer_without_the_measure_does_not_hold(answer):
    measured, holds, remark = judge(CLAIM, answer, None)
    assert (measured, holds) == (None, False)
    assert "lacks" in remark


@pytest.mark.parametrize(
    ("command", "words"),
    [("exit 3", "exit 3"), ("echo nonsense", "no JSON"), ("sleep 5", "took longer than")],
)
def test_a_command_that_fails_says_why(command, words):
    answer, _seconds, failure = run_command(command, timeout=0.5)
    assert answer is None
    assert failure is not None
    assert words in failure


def test_the_answer_is_the_last_line_or_the_whole():
    assert last_json('noise\n{"a": 1}\n') == {"a": 1}
    assert last_json('{\n "a": [1, 2]\n}') == {"a": [1, 2]}
    assert dig({"a": [1, {"b": 5}]}, "a.1.b") == 5


def test_a_claims_file_with_unknown_fields_is_refused(tmp_path):
    file = tmp_path / "claims.yaml"
    file.write_text("- {id: x, issue: 2}\n")
    with pytest.raises(SystemExit, match="must have exactly the fields"):
        load_claims(file)
