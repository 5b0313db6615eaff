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

    from rich.console import Console

    from pipeline.errors import BellsError

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, logs on stderr.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a setting, for example risk.per_asset_cap=0.3."
    ),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="Market source: sample, files, ccxt, yahoo, venues, ..."),
]
AllowStale = Annotated[
    bool,
    typer.Option("--allow-stale", help="Go on with what is stored where a venue is out of reach."),
]

PIPED_WIDTH = 240
"""Columns where no terminal says how many there are: wide enough that no table folds a value."""


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


def say(text: str) -> None:
    """Tell people something beside the answer, on stderr."""
    sys.stderr.write(f"bells: {text}\n")
    sys.stderr.flush()


def explain(failure: BellsError) -> None:
    """Tell people what went wrong, where, why and what to do, on stderr."""
    sys.stderr.write(f"bells: {failure.what}\n")
    for name in ("field", "value", "constraint", "fix"):
        text = failure.to_dict()[name]
        if text is not None:
            sys.stderr.write(f"  {name + ':':<12}{text}\n")


def emit(payload: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the answer: JSON, or one ``key  value`` line for each field that is a single value."""
    if as_json:
        sys.stdout.write(to_json(payload) + "\n")
        sys.stdout.flush()
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(overflow="fold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in payload.items():
        if not isinstance(value, list | dict | tuple):
            table.add_row(f"[dim]{escape(name)}[/dim]", escape(shown(value)))
    console().print(table)


def emit_rows(title: str, rows: Sequence[Mapping[str, Any]], most: int | None = None) -> None:
    """Print rows for people as one table, at most so many; no rows print nothing but the title."""
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        console().print(f"{escape(title)}: none", highlight=False)
        return
    console().print(f"[italic]{escape(title)}[/italic]", highlight=False, soft_wrap=True)
    left = 0 if most is None else max(0, len(rows) - most)
    rows = rows[:most]
    table = Table(header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float | None) for row in rows)
        table.add_column(name, overflow="fold", justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(escape(shown(value)) for value in row.values()))
    console().print(table)
    if left:
        console().print(f"{left:,} more: --json has them all", highlight=False)


def console() -> Console:
    """Return the console for answers: as wide as the terminal, wide where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Return ``1 gap`` or ``2 gaps``; ``things`` where the plural takes more than an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def shown(value: object) -> str:
    """Return a value as people read it; unknown is a dash."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value) or "-"
    return _number(value) if isinstance(value, int | float | None) else _text(value)


def _number(value: float | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if abs(value) < 1e4 else f"{value:,.2f}"  # noqa: PLR2004 - digits for people


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
