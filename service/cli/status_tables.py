"""What ``bells data status`` shows people: a line for each kind of series, then the series that need a look.

With a handful of series each has its line; with hundreds only those that lack something do, the worst first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIND = ("feed", "asset_class", "timeframe")


def by_kind(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one record for each feed, class and timeframe, what lacks most first.

    Each has ``feed, asset_class, timeframe, symbols, rows, first, last, incomplete`` (symbols with missing
    bars), ``gaps, missing, quarantined``; gaps are unknown where no calendar applies.
    """
    kinds: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records:
        kinds.setdefault(tuple(record[name] for name in _KIND), []).append(record)
    summed = []
    for kind, of_kind in kinds.items():
        judged = [record for record in of_kind if record["missing"] is not None]
        summed.append(
            {
                **dict(zip(_KIND, kind, strict=True)),
                "symbols": len(of_kind),
                "rows": sum(record["rows"] for record in of_kind),
                "first": min(record["first"] for record in of_kind),
                "last": max(record["last"] for record in of_kind),
                "incomplete": sum(record["missing"] > 0 for record in judged) if judged else None,
                "gaps": sum(record["gaps"] for record in judged) if judged else None,
                "missing": sum(record["missing"] for record in judged) if judged else None,
                "quarantined": sum(record["quarantined"] for record in of_kind),
            }
        )
    return sorted(summed, key=lambda kind: (-_badness(kind), *(str(kind[name]) for name in _KIND)))


def worst(records: Sequence[dict[str, Any]], most: int) -> tuple[str, list[dict[str, Any]]]:
    """Return the series to show, at most ``most``, and a title that says which they are."""
    if len(records) <= most:
        return "series", list(records)
    lacking = sorted((r for r in records if _badness(r)), key=lambda r: (-_badness(r), r["symbol"]))
    shown = lacking[:most]
    which = f"the {len(shown)} worst of {len(lacking)}" if len(lacking) > most else f"{len(lacking)}"
    return f"{which} series with missing or quarantined rows, of {len(records)}", shown


def _badness(record: dict[str, Any]) -> int:
    return (record["missing"] or 0) + record["quarantined"]
