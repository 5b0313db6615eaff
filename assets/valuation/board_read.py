"""The newest stored board of a chain source, for whoever shows it without judging anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.tables import BOARD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    import polars as pl

    from warehouse.store import Warehouse


@dataclass(frozen=True)
class StoredBoard:
    """A board as it was stored.

    Parameters
    ----------
    data_through
        The newest day of the history that it was judged by.
    simulated
        Whether a simulator made any of that history.
    rows
        Columns of ``valuation.board`` by name, models in order of rank, then by horizon.
    """

    data_through: date
    simulated: bool
    rows: tuple[Mapping[str, Any], ...]


def read_board(warehouse: Warehouse, *, feed: str, config: str, at: datetime) -> StoredBoard | None:
    """Return the newest board of a source that was made with the settings named; None where there is none.

    Parameters
    ----------
    feed
        Chain source.
    config
        Name of the settings, `assets.valuation.rows.config_of`.
    at
        What the world knew then.

    Raises
    ------
    DataError
        When there is no warehouse yet.
    """
    return stored(warehouse.as_of(BOARD, at, where={"feed": feed, "config": config}))


def stored(frame: pl.DataFrame) -> StoredBoard | None:
    """Return the newest board among rows of one source and one setting; None where there is no row."""
    import polars as pl

    if not frame.height:
        return None
    newest = frame.filter(pl.col("ts") == pl.col("ts").max())
    rows = sorted(newest.to_dicts(), key=lambda row: row["horizon_days"])
    places = _places(rows)
    return StoredBoard(
        rows[0]["ts"].date(),
        any(row["simulated"] for row in rows),
        tuple(sorted(rows, key=lambda row: places[row["model"]])),
    )


def _places(rows: list[dict[str, Any]]) -> dict[str, tuple[int, float, float, str]]:
    """Return the place of each model, which is that of its row with a verdict."""
    from pipeline.valuation.falsification.verdict import Verdict, place

    best: dict[str, tuple[int, float, float, str]] = {}
    for row in rows:
        told = None if row["verdict"] is None else Verdict(row["verdict"])
        own = (*place(told, row["p"] if told else None, row["rmse_log"] if told else None), row["model"])
        best[row["model"]] = min(best.get(row["model"], own), own)
    return best
