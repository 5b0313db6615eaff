"""The blocks of an experiment file that say how a search goes: spaces, methods, splits, what is best.

Values only; `pipeline.config.experiment` says which method reads which block.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.model import Fraction, Name, Strict, broken_rule

Metric = Literal[
    "bps",
    "sharpe_ratio",
    "sortino_ratio",
    "cagr",
    "total_return",
    "max_drawdown",
    "calmar_ratio",
    "win_rate",
    "profit_factor",
    "num_trades",
    "turnover",
    "volatility",
]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Range(Strict):
    """A closed range of numbers; whole numbers where the parameter is one."""

    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min < self.max:
            raise broken_rule("min < max", "give a max above min", what="the range is empty", at="max")
        return self


class Distribution(Strict):
    """Where random search draws a parameter from."""

    type: Literal["choice", "uniform", "loguniform", "randint"] = Field(description="Kind of distribution")
    values: tuple[Any, ...] | None = Field(None, strict=False, description="What a choice is made from")
    min: float | None = Field(None, description="Smallest value")
    max: float | None = Field(None, description="Largest value, itself drawn too")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "choice":
            if not self.values or self.min is not None or self.max is not None:
                what = "a choice is made from values"
                raise broken_rule("values, neither min nor max", "write values: [a, b]", what=what)
            return self
        if self.values is not None or self.min is None or self.max is None or not self.min < self.max:
            what = f"a {self.type} distribution lies between two numbers"
            raise broken_rule("min < max, no values", "write min and max", what=what)
        if self.type == "loguniform" and self.min <= 0.0:
            raise broken_rule("min > 0", "give a positive min", what="the logarithm needs it", at="min")
        return self


class RandomSearch(Strict):
    """How many members random search draws."""

    n_samples: Count = Field(100, description="Members")
    seed: Seed = Field(42, description="Names the draws")
    estimate_coverage: bool = Field(
        default=False, description="Report the share of the space that was visited"
    )


class Evolutionary(Strict):
    """A generational genetic algorithm."""

    population_size: int = Field(20, ge=2, le=10_000, description="Members of a generation")
    num_generations: Count = Field(10, description="Generations, the first included")
    mutation_rate: Fraction = Field(0.2, description="Probability that a parameter of a child mutates")
    mutation_strength: float = Field(0.1, gt=0.0, le=1.0, description="Sigma as a share of the range")
    crossover_rate: Fraction = Field(0.8, description="Probability that two parents cross")
    tournament_size: int = Field(3, ge=1, le=1000, description="Members of a tournament")
    elitism_count: int = Field(2, ge=0, le=1000, description="Best members that live on")
    seed_from_experiment: Name | None = Field(None, description="Experiment whose best begin the search")
    seed_top_n: Count = Field(10, description="How many of them")
    seed: Seed = Field(42, description="Names the draws")

    @model_validator(mode="after")
    def _room(self) -> Self:
        for name in ("elitism_count", "tournament_size"):
            if getattr(self, name) > self.population_size - (name == "elitism_count"):
                what = f"{name} leaves nothing of the population"
                raise broken_rule("within population_size", f"lower {name}", what=what, at=name)
        return self


class WalkForward(Strict):
    """Windows that choose on the past and are judged on what follows."""

    in_sample_months: Count = Field(12, description="Months that choose")
    out_sample_months: Count = Field(3, description="Months that follow")
    step_months: Count = Field(3, description="Months from one choice to the next")
    select_best_by: Literal["sharpe_ratio", "sortino_ratio", "cagr", "total_return", "max_drawdown"] = Field(
        "sharpe_ratio", description="What chooses"
    )

    @model_validator(mode="after")
    def _gapless(self) -> Self:
        if self.step_months < self.out_sample_months:
            what = "out-of-sample windows overlap: a day would be judged twice"
            raise broken_rule("step_months >= out_sample_months", "raise it", what=what, at="step_months")
        return self


class CrossValidation(Strict):
    """Combinatorial purged cross-validation."""

    n_folds: int = Field(6, ge=3, le=20, description="Consecutive folds")
    n_test_folds: int = Field(2, ge=2, le=19, description="Folds that test in each split")
    label_days: int = Field(1, ge=1, le=1000, description="Days that one observation spans")
    embargo_days: int = Field(10, ge=0, le=1000, description="Days after a test fold that do not train")

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if self.n_test_folds >= self.n_folds:
            what = "no fold is left to train on"
            raise broken_rule("n_test_folds < n_folds", "lower it", what=what, at="n_test_folds")
        return self


class Objective(Strict):
    """One of several goals."""

    metric: Metric
    maximize: bool = True


class Optimization(Strict):
    """What is best."""

    metric: Metric = Field("bps", description="What ranks the members")
    maximize: bool = Field(default=True, description="Whether more is better")
    save_top_n: Count = Field(10, description="Members that the answer and the report show")
    objectives: tuple[Objective, ...] | None = Field(
        None, strict=False, min_length=2, description="Goals of the method pareto"
    )


class Results(Strict):
    """Files beside the tables."""

    summary_csv: bool = Field(default=True, description="Write every member to summary.csv")
    track_generations: bool = Field(default=True, description="Write the best of each generation")
    pareto_csv: bool = Field(default=True, description="Write the members that no other dominates")
