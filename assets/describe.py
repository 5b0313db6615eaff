"""What the Dagster UI is told about a table: its column schema, its name in SQL, and pictures of it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipeline.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from warehouse.table import Table

MOST_PICTURE_BYTES = 100_000


def table_metadata(table: Table) -> dict[str, Any]:
    """Return the definition metadata of the asset that fills ``table``.

    Columns carry their type, unit and description, as declared in ``warehouse/tables*.py``.
    """
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=f"{column.description} [{column.unit}]" if column.unit else column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.all_columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"warehouse.{table.full_name}",
        "key": ", ".join(table.key),
    }


def picture(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as Markdown that the UI shows in place.

    Raises
    ------
    ResourceError
        Above 100 kB: the event log stores the picture with every materialisation.
    """
    if len(png) > MOST_PICTURE_BYTES:
        raise ResourceError(
            "the picture is too large for the event log",
            field=alt,
            value=len(png),
            constraint=f"at most {MOST_PICTURE_BYTES} bytes",
            fix="draw it smaller or with fewer colours",
        )
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")


def describe_months(
    context: dg.AssetExecutionContext,
    months: Mapping[str, int],
    shown: Mapping[str, Any],
    figures: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Give each materialised month its row count and its own figures, and the newest one what is ``shown``.

    Dagster writes one event for each month, so what is about the whole run stands once, on the newest month:
    a picture repeated in all of them would fill the event log, a number would plot as a flat line.

    Parameters
    ----------
    context
        Of the run.
    months
        Rows of each month.
    shown
        About the whole run.
    figures
        By month, what is true of that month alone.
    """
    keys = context.partition_keys
    for key in keys:
        own = {} if figures is None else figures.get(key, {})
        context.add_asset_metadata(
            {"dagster/partition_row_count": months.get(key, 0), **own}, partition_key=key
        )
    context.add_asset_metadata(dict(shown), partition_key=keys[-1])


def rows_by_month(rows: pl.DataFrame) -> dict[str, int]:
    """Count rows by the month of ``ts``, written as the partition keys are."""
    import polars as pl

    counts = rows.group_by(month_of("ts")).agg(pl.len())
    return {str(month): int(count) for month, count in counts.iter_rows()}


def last_by_month(rows: pl.DataFrame, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return, by month, the numbers of its last row; what is unknown there is left out."""
    last = rows.sort("ts").group_by(month_of("ts"), maintain_order=True).last().select("month", *names)
    return {row.pop("month"): numbers(row) for row in last.to_dicts()}


def month_of(column: str) -> pl.Expr:
    """Return the expression ``month``: that of an instant, written as the partition keys are."""
    import polars as pl

    return pl.col(column).dt.strftime("%Y-%m").alias("month")


def markdown_table(rows: Sequence[Mapping[str, object]]) -> dg.MarkdownMetadataValue:
    """Return rows as a Markdown table; an unknown value shows as a dash."""
    if not rows:
        return dg.MetadataValue.md("no rows")
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join('-' if row[n] is None else str(row[n]) for n in names)} |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """Keep what is known as plain floats: these are what the UI plots over time."""
    return {name: float(value) for name, value in values.items() if value is not None}
