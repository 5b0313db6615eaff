"""Fitted parameters as plain numbers, for JSON and tables."""

from dataclasses import asdict, is_dataclass
from typing import Any


def plain_parameters(parameters: Any) -> dict[str, Any]:
    """Return parameters as JSON takes them; an ensemble's hold those of its members.

    Examples
    --------
    >>> from pipeline.valuation.power_law import PowerLawParameters
    >>> plain_parameters(PowerLawParameters(-17.0, 5.8, 0.3, 0.95, 4000))["beta"]
    5.8
    """
    if not is_dataclass(parameters) or isinstance(parameters, type):
        return {}
    members = getattr(parameters, "members", None)
    if members is None:
        return asdict(parameters)
    own = {name: value for name, value in vars(parameters).items() if name != "members"}
    return {**own, "members": [None if each is None else plain_parameters(each) for each in members]}
