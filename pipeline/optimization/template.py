"""The text of a new experiment file: every block that a method reads, commented, with ranges that are legal.

The ranges lie around what is configured; they are a beginning, not advice.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.config.experiment import NEEDS, Method
from pipeline.errors import ConfigError
from pipeline.optimization.guards import MOST_FREE
from pipeline.strategies.port import Strategy
from pipeline.strategies.registry import parameters

_CHOSEN = MOST_FREE - 1
_ABOUT_ZERO = 0.05
_NOT_SEARCHED = ("max_missed_closes",)
"""A rule about data that come late, no degree of freedom."""
_BLOCKS = {
    "parameter_grid": "values to try",
    "parameter_distributions": "choice (values), uniform, loguniform or randint (min, max)",
    "parameter_ranges": "whole numbers where the parameter is one",
}
_RANDOM = """\
  random_search:
    n_samples: 100
    seed: 42
    estimate_coverage: true      # report the share of each range that was visited
"""
_EVOLUTIONARY = """\
  evolutionary:
    population_size: 20
    num_generations: 10
    mutation_rate: 0.2           # probability that a parameter of a child mutates
    mutation_strength: 0.1       # sigma as a share of the range
    crossover_rate: 0.8
    tournament_size: 3
    elitism_count: 2             # best members that live on
    seed_from_experiment: null   # name of a finished experiment whose best begin
    seed_top_n: 10
    seed: 42
"""
_PARETO = """\
  evolutionary:
    population_size: 20
    num_generations: 10
    mutation_rate: 0.2
    mutation_strength: 0.1
    crossover_rate: 0.8
    seed: 42
"""
_WALKED = """\
  walk_forward:                  # the out-of-sample path
    in_sample_months: 12
    out_sample_months: 3
    step_months: 3
    select_best_by: sharpe_ratio
  cross_validation:              # purged combinatorial splits
    n_folds: 6
    n_test_folds: 2
    label_days: 1
    embargo_days: 10
"""


def template(name: str, chosen: Strategy, configured: Mapping[str, Any], method: Method) -> str:
    """Return the text of an experiment file.

    Parameters
    ----------
    name
        Of the experiment.
    chosen, configured
        The strategy and its configured parameters; up to four numbers among them are searched.
    method
        How to search.

    Raises
    ------
    ConfigError
        When the strategy has no number to search.
    """
    defaults = {key: field.default for key, field in chosen.params_model.model_fields.items()}
    values = {**defaults, **configured}
    tried = {key: around(chosen, configured, key, value) for key, value in values.items()}
    searched = {key: legal for key, legal in tried.items() if len(legal) > 1 and key not in _NOT_SEARCHED}
    searched = dict(list(searched.items())[:_CHOSEN])
    if not searched:
        raise ConfigError(
            f"{chosen.name} has no number to search",
            field="--strategy",
            value=chosen.name,
            constraint="a parameter that takes several numbers",
            fix="write the experiment file by hand",
        )
    lines = [
        f"# Run it: bells optimize run configs/experiments/{name}.yaml",
        "# A parameter that changes no weight stops the search and is named: take it out then.",
        "experiment:",
        f"  name: {name}",
        "  description: What is tried, and why (one sentence)",
        f"  method: {method}",
        f"  target_model: {chosen.name}",
        "  overrides: {}                  # settings that differ from configs/base",
    ]
    for block in NEEDS[method]:
        lines.append(f"  {block}:  # {_BLOCKS[block]}")
        lines += [f"    {key}: {_described(block, legal)}" for key, legal in searched.items()]
    text = "\n".join(lines) + "\n"
    text += {
        "random": _RANDOM,
        "evolutionary": _EVOLUTIONARY,
        "hybrid": _EVOLUTIONARY,
        "pareto": _PARETO,
    }.get(method, "")
    text += _WALKED
    text += "  backtest:\n    start_date: null             # null: as configured\n    end_date: null\n"
    text += "  optimization:\n    metric: bps                  # what ranks the members\n    maximize: true\n"
    text += "    save_top_n: 10\n"
    if method == "pareto":
        text += "    objectives:\n"
        for metric, more in (("sharpe_ratio", True), ("cagr", True), ("max_drawdown", False)):
            text += f"      - {{metric: {metric}, maximize: {str(more).lower()}}}\n"
    return text


def around(chosen: Strategy, configured: Mapping[str, Any], key: str, value: Any) -> tuple[Any, ...]:
    """Return legal numbers below, at and above a value; the value alone where it is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return (value,)
    if value == 0:
        near: tuple[Any, ...] = (-_ABOUT_ZERO, value, _ABOUT_ZERO) if isinstance(value, float) else (0, 1, 2)
    elif isinstance(value, int):
        step = max(1, round(abs(value) / 4))
        near = (value - step, value, value + step)
    else:
        step = abs(value) / 4.0
        near = tuple(float(f"{x:.4g}") for x in (value - step, value, value + step))
    return tuple(number for number in near if _legal(chosen, configured, key, number))


def _legal(chosen: Strategy, configured: Mapping[str, Any], key: str, number: Any) -> bool:
    try:
        parameters(chosen, {**configured, key: number})
    except ConfigError:
        return False
    return True


def _described(block: str, legal: tuple[Any, ...]) -> str:
    if block == "parameter_grid":
        return "[" + ", ".join(str(number) for number in legal) + "]"
    ends = f"min: {legal[0]}, max: {legal[-1]}"
    if block == "parameter_ranges":
        return f"{{{ends}}}"
    kind = "randint" if all(isinstance(number, int) for number in legal) else "uniform"
    return f"{{type: {kind}, {ends}}}"
