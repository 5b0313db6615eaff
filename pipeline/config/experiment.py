"""An experiment file: named changes on top of ``configs/base`` and, with a ``method``, what to search for.

``overrides`` is merged key by key; a key may also be a dotted path (``risk.per_asset_cap: 0.3``).  Whether a
parameter exists and which values it takes is the strategy's own business (`pipeline.optimization.space`).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pipeline.config.document import Document
from pipeline.config.model import Instant, Name, PathText, Strict, broken_rule
from pipeline.config.problems import explain
from pipeline.config.search import (
    CrossValidation,
    Distribution,
    Evolutionary,
    Objective,
    Optimization,
    RandomSearch,
    Range,
    Results,
    WalkForward,
)

Method = Literal["grid", "random", "evolutionary", "hybrid", "pareto", "walk_forward"]

Values = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]

NEEDS: dict[Method, tuple[str, ...]] = {
    "grid": ("parameter_grid",),
    "random": ("parameter_distributions",),
    "evolutionary": ("parameter_ranges",),
    "hybrid": ("parameter_grid", "parameter_ranges"),
    "pareto": ("parameter_ranges",),
    "walk_forward": ("parameter_grid",),
}
"""The blocks of parameters that each method reads."""
TUNES: dict[str, tuple[str, ...]] = {
    "random_search": ("random",),
    "evolutionary": ("evolutionary", "hybrid", "pareto"),
}
"""The blocks of settings that only some methods read."""


class Dates(Strict):
    """The window of the search."""

    start_date: Instant | None = Field(None, description="First decision; null: as configured")
    end_date: Instant | None = Field(None, description="End, not included; null: as configured")


class Experiment(Strict):
    """What one file under ``configs/experiments`` says."""

    name: Name = Field(description="Short name, shown beside its runs")
    description: Name = Field(description="One sentence for people: what is tried, and why")
    method: Method | None = Field(None, description="How to search; null: nothing is searched")
    base_config: PathText | None = Field(None, description="Another experiment file laid beneath this one")
    target_model: Name | None = Field(None, description="Strategy whose parameters are searched")
    overrides: dict[str, Any] | None = Field(None, description="Settings that differ from the base")
    parameter_grid: dict[str, Values] = Field({}, description="Values by parameter")
    parameter_distributions: dict[str, Distribution] = Field({}, description="Distributions by parameter")
    parameter_ranges: dict[str, Range] = Field({}, description="Ranges by parameter")
    random_search: RandomSearch | None = Field(None, description="Settings of random search")
    evolutionary: Evolutionary | None = Field(None, description="Settings of evolutionary search")
    walk_forward: WalkForward = Field(WalkForward(), description="Windows of the out-of-sample path")
    cross_validation: CrossValidation = Field(CrossValidation(), description="Purged combinatorial splits")
    backtest: Dates = Field(Dates(), description="The window of the search")
    optimization: Optimization = Field(Optimization(), description="What is best")
    results: Results = Field(Results(), description="Files beside the tables")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.method is None:
            return self._changes_only()
        if self.target_model is None:
            raise broken_rule(
                "the name of a strategy",
                "name a strategy of strategies.yaml",
                what="target_model is missing",
                at="target_model",
            )
        for block in ("parameter_grid", "parameter_distributions", "parameter_ranges"):
            needed, given = block in NEEDS[self.method], bool(getattr(self, block))
            if needed and not given:
                what = f"{block} is missing: the method {self.method} reads it"
                raise broken_rule("at least one parameter", f"add {block}", what=what, at=block)
            if given and not needed:
                raise self._unread(block)
        for block, methods in TUNES.items():
            if getattr(self, block) is not None and self.method not in methods:
                raise self._unread(block)
        if self.optimization.objectives is not None and self.method != "pareto":
            raise self._unread("optimization.objectives")
        return self

    def _changes_only(self) -> Self:
        if self.overrides is None:
            raise broken_rule(
                "a mapping of settings, or a method",
                "say what differs, or which method searches",
                what="overrides is missing",
                at="overrides",
            )
        heads = {"name", "description", "overrides", "base_config"}
        unread = sorted(self.model_fields_set - heads)
        if unread:
            what = f"nothing reads {unread[0]}: the file names no method"
            raise broken_rule(
                "a method beside it", f"add method, or take {unread[0]} out", what=what, at=unread[0]
            )
        return self

    def _unread(self, block: str) -> Exception:
        what = f"nothing reads {block}: the method is {self.method}"
        return broken_rule("blocks that the method reads", f"take {block} out", what=what, at=block)


class _File(Strict):
    experiment: Experiment


def read_experiment(document: Document) -> Experiment:
    """Validate an experiment file; raises `ConfigError` naming file and line."""
    try:
        return _File.model_validate(document.data).experiment
    except ValidationError as error:
        raise explain(error, _File, where=document.where) from error


__all__ = ["Experiment", "Method", "Objective", "read_experiment"]
