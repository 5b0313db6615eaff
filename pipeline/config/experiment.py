"""An experiment file: named changes on top of ``configs/base``.

``overrides`` is merged key by key; a key may also be a dotted path (``risk.per_asset_cap: 0.3``).
"""

from typing import Any

from pydantic import Field, ValidationError

from pipeline.config.document import Document
from pipeline.config.model import Name, Strict
from pipeline.config.problems import explain


class Experiment(Strict):
    """What one file under ``configs/experiments`` says."""

    name: Name = Field(description="Short name, shown beside its runs")
    description: Name = Field(description="One sentence for people: what is tried, and why")
    overrides: dict[str, Any] = Field(description="Settings that differ from the base")


class _File(Strict):
    experiment: Experiment


def read_experiment(document: Document) -> Experiment:
    """Validate an experiment file; raises `ConfigError` naming file and line."""
    try:
        return _File.model_validate(document.data).experiment
    except ValidationError as error:
        raise explain(error, _File, where=document.where) from error
