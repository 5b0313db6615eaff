"""docs/experiments.md lists every key of an experiment file with its meaning, every method, every rail."""

import re
from pathlib import Path

from pipeline.config.experiment import NEEDS, Experiment
from pipeline.optimization.guards import RAILS

PAGE = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_the_page_lists_every_key_with_its_meaning():
    keys = PAGE.partition("| key | default | meaning |")[2].partition("| method |")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]*\| ([^|]+) \|$", keys, re.MULTILINE))
    assert told == {name: field.description for name, field in Experiment.model_fields.items()}


def test_the_page_says_which_blocks_each_method_reads():
    for method, blocks in NEEDS.items():
        row = f"| `{method}` | " + ", ".join(f"`{block}`" for block in blocks) + " |"
        assert row in PAGE


def test_the_page_lists_every_guard_rail_with_its_bound_and_its_number():
    told = PAGE.partition("## Guard rails")[2].partition("## The file")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", told, re.MULTILINE)
    assert rows == [(rail.name, rail.bound, rail.what) for rail in RAILS]
    assert len(rows) == 11
