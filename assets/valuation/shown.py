"""How tables of valuation read in the Dagster UI: four significant digits, days, parameters in words."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from assets.describe import markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dagster as dg

_DIGITS = 4


def table(rows: Sequence[Mapping[str, object]]) -> dg.MarkdownMetadataValue:
    """Return rows as a Markdown table of rounded values; an unknown one is a dash."""
    return markdown_table(
        [{name: None if value is None else _cell(value) for name, value in row.items()} for row in rows]
    )


def parameters(text: str) -> str:
    """Return the JSON of a fit's parameters in words, members of an ensemble in brackets.

    The size of the sample is left out: it has a column.

    Examples
    --------
    >>> parameters('{"alpha": -16.919050248, "weights": [0.4, 0.6], "left_out": {}}')
    'alpha -16.92, weights 0.4 0.6'
    """
    return _words(json.loads(text))


def _words(values: Mapping[str, object]) -> str:
    told = {name: value for name, value in values.items() if name != "n" and value not in ({}, [], None)}
    return ", ".join(f"{name} {_cell(value)}" for name, value in told.items())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{float(f'{value:.{_DIGITS}g}'):,.12g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, dict):
        return f"({_words(value)})"
    if isinstance(value, list | tuple):
        return " ".join("-" if each is None else _cell(each) for each in value)
    return str(value)
