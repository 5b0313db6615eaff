"""The space that a search walks: one axis for each parameter, checked against the strategy's own model.

A *point* is a mapping from parameter to value; here are the axes and how numbers become legal values.  How a
search moves is the business of the method's module.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np

from pipeline.arrays import Float1D
from pipeline.config.experiment import NEEDS, Experiment
from pipeline.config.problems import did_you_mean
from pipeline.errors import ConfigError
from pipeline.strategies.registry import parameters

if TYPE_CHECKING:
    from pipeline.config.search import Distribution
    from pipeline.strategies.port import Parameters, Strategy

Point: TypeAlias = Mapping[str, Any]
"""Parameter to value."""


@dataclass(frozen=True)
class Axis:
    """One parameter of a search.

    Parameters
    ----------
    name
        The parameter.
    kind
        ``values`` (listed), ``uniform``, ``loguniform`` (both between ``low`` and ``high``).
    values
        For ``values``, in the order of the file.
    low, high
        Ends of a range, both included.
    whole
        Whether the parameter takes whole numbers only; drawn numbers are rounded half to even.
    """

    name: str
    kind: str
    values: tuple[Any, ...] = ()
    low: float = math.nan
    high: float = math.nan
    whole: bool = False

    def at(self, u: float) -> Any:
        """Return the value at ``u`` in [0, 1): every whole number of a range is equally likely."""
        if self.kind == "values":
            return self.values[min(int(u * len(self.values)), len(self.values) - 1)]
        if self.kind == "loguniform":
            low, high = math.log(self.low), math.log(self.high)
            return self.legal(math.exp(low + u * (high - low)))
        if self.whole:
            return min(int(self.low) + int(u * (self.high - self.low + 1.0)), int(self.high))
        return self.legal(self.low + u * (self.high - self.low))

    def legal(self, x: float) -> Any:
        """Return a number of a range as the parameter takes it: clipped, rounded where it is whole."""
        inside = min(max(float(x), self.low), self.high)
        return round(inside) if self.whole else inside

    @property
    def probes(self) -> tuple[Any, ...]:
        """Values that show whether the parameter does anything."""
        spread = self.values if self.kind == "values" else tuple(self.at(u / 4.0) for u in range(5))
        return tuple(dict.fromkeys(spread))


@dataclass(frozen=True)
class Space:
    """The axes of one search, in the order of the file."""

    axes: tuple[Axis, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters."""
        return tuple(axis.name for axis in self.axes)

    @property
    def free(self) -> int:
        """Number of parameters that can differ."""
        return sum(len(axis.probes) > 1 for axis in self.axes)

    @property
    def bounds(self) -> tuple[Float1D, Float1D]:
        """Lowest and highest values of ranges, shape ``(axes,)`` each."""
        return np.array([a.low for a in self.axes]), np.array([a.high for a in self.axes])

    def point(self, x: Sequence[float] | Float1D) -> dict[str, Any]:
        """Return the point of numbers on ranges."""
        return {axis.name: axis.legal(value) for axis, value in zip(self.axes, x, strict=True)}


def space_of(experiment: Experiment, block: str, chosen: "Strategy", configured: Point) -> Space:
    """Return the space that one block of an experiment describes.

    Parameters
    ----------
    experiment
        The file.
    block
        ``parameter_grid``, ``parameter_distributions`` or ``parameter_ranges``.
    chosen
        The strategy; its model says which parameters exist and what they take.
    configured
        Parameters of ``strategies.yaml``; a value is legal when the model takes it beside these.

    Raises
    ------
    ConfigError
        When a parameter is unknown (the nearest is named), stands twice, or takes a value of the block not.
    """
    axes = []
    for path, described in getattr(experiment, block).items():
        name = parameter_of(path, block, chosen)
        if name in {axis.name for axis in axes}:
            raise ConfigError(
                f"the parameter {name} stands twice in {block}",
                field=f"experiment.{block}.{path}",
                constraint="every parameter once",
                fix="keep one of the two",
            )
        axis = _axis(name, block, described, _takes_whole_numbers(chosen.params_model, name))
        _require_legal(axis, f"experiment.{block}.{path}", chosen, configured)
        axes.append(axis)
    return Space(tuple(axes))


def spaces_of(experiment: Experiment, chosen: "Strategy", configured: Point) -> dict[str, Space]:
    """Return the space of every block that the experiment's method reads, by block."""
    method = experiment.method
    blocks = NEEDS[method] if method is not None else ()
    return {block: space_of(experiment, block, chosen, configured) for block in blocks}


def parameter_of(path: str, block: str, chosen: "Strategy") -> str:
    """Return the parameter that a path names.

    ``sma_days``, ``parameters.sma_days`` and ``strategies.EquityTrend.parameters.sma_days`` are the same.

    Raises
    ------
    ConfigError
        When the path names no parameter of the strategy.
    """
    known = list(chosen.params_model.model_fields)
    head, _, name = path.rpartition(".")
    heads = ("", "parameters", f"{chosen.name}.parameters", f"strategies.{chosen.name}.parameters")
    if head in heads and name in known:
        return name
    raise ConfigError(
        f"{chosen.name} has no parameter {path}",
        field=f"experiment.{block}.{path}",
        constraint="a parameter of the strategy: " + ", ".join(known),
        fix=did_you_mean(name, known) if head in heads else f"write the name alone, such as {known[0]}",
    )


def _axis(name: str, block: str, described: Any, whole: bool) -> Axis:
    if block == "parameter_grid":
        return Axis(name, "values", values=tuple(described))
    if block == "parameter_ranges":
        return Axis(name, "uniform", low=described.min, high=described.max, whole=whole)
    return _drawn(name, described, whole)


def _drawn(name: str, described: "Distribution", whole: bool) -> Axis:
    if described.type == "choice":
        return Axis(name, "values", values=tuple(described.values or ()))
    kind = "loguniform" if described.type == "loguniform" else "uniform"
    low, high = described.min or 0.0, described.max or 0.0
    return Axis(name, kind, low=low, high=high, whole=whole or described.type == "randint")


def _takes_whole_numbers(model: "type[Parameters]", name: str) -> bool:
    """Return whether the annotation of a parameter is ``int``, with or without constraints or None."""
    annotation = model.model_fields[name].annotation
    kinds = {annotation, *(kind for item in get_args(annotation) for kind in (item, *get_args(item)))}
    return int in kinds and float not in kinds


def _require_legal(axis: Axis, field: str, chosen: "Strategy", configured: Point) -> None:
    tried = axis.values if axis.kind == "values" else (axis.low, axis.high)
    for value in tried:
        if axis.whole and isinstance(value, float) and not value.is_integer():
            raise ConfigError(
                f"{axis.name} takes whole numbers",
                field=field,
                value=value,
                constraint="whole numbers as ends of the range",
                fix=f"write {round(value)}",
            )
        legal = int(value) if axis.whole else value
        try:
            parameters(chosen, {**configured, axis.name: legal})
        except ConfigError as wrong:
            raise ConfigError(
                f"{axis.name} does not take a value of the search",
                field=field,
                value=value,
                constraint=wrong.constraint,
                fix="correct the value in the experiment file",
            ) from wrong
