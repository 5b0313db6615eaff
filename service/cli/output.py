"""How a command answers: one JSON object on stdout, or a table for people; everything else goes to stderr."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, logs on stderr.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example risk.per_asset_cap=0.3."),
]


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def to_json(payload: Mapping[str, Any]) -> str:
    """Return strict JSON: NaN and infinity are refused, an unknown number is null."""
    return json.dumps(payload, default=_plain, allow_nan=False)


def emit(payload: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the answer: JSON, or one ``key  value`` line for each field."""
    if as_json:
        sys.stdout.write(to_json(payload) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in payload.items():
        if not isinstance(value, list | dict):
            table.add_row(f"[dim]{name}[/dim]", shown(value))
    Console().print(table)


def emit_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows for people as one table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0] if rows else ("nothing",):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(shown(value) for value in row.values()))
    Console().print(table)


def shown(value: object) -> str:
    """Return a value as people read it; unknown is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e4 else f"{value:,.2f}"  # noqa: PLR2004 - digits for people
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)
