"""A book as rows of the warehouse: its strategies, their days, and who owned which target."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from warehouse.tables import ATTRIBUTION, MEMBER_DAYS, MEMBERS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from pipeline.backtest.members import Attribution, BookParts
    from pipeline.backtest.result import BacktestResult, Simulation
    from warehouse.table import Table


def book_frames(result: BacktestResult) -> list[tuple[Table, pl.DataFrame]]:
    """Return the tables that only a book has, without the run they belong to; none for a single strategy."""
    book, done = result.book, result.simulation
    if book is None:
        return []
    return [
        (MEMBERS, _members(book)),
        (MEMBER_DAYS, _days(book, done)),
        (ATTRIBUTION, _attribution(book.attribution, done)),
    ]


def _members(book: BookParts) -> pl.DataFrame:
    import polars as pl

    rows = []
    for member in book.members:
        values = {field.name: getattr(member, field.name) for field in dataclasses.fields(member)}
        row = {name: values[name] for name in MEMBERS.names if name in values}
        row["strategy_version"] = member.version
        row["universe"] = ",".join(member.universe)
        row["parameters_json"] = json.dumps(member.parameters, sort_keys=True)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _days(book: BookParts, done: Simulation) -> pl.DataFrame:
    import polars as pl

    days = pl.Series(done.ts[done.daily].astype("datetime64[us]")).dt.replace_time_zone("UTC")
    return pl.concat(
        pl.DataFrame(
            {
                "strategy": pl.repeat(member.strategy, days.len(), dtype=pl.String, eager=True),
                "ts": days,
                "budget": book.budgets[done.daily, column].copy(),
                "pnl": member.daily_pnl,
                "return_": member.daily_returns,
            }
        )
        for column, member in enumerate(book.members)
    )


def _attribution(found: Attribution, done: Simulation) -> pl.DataFrame:
    """Return every strategy of every entry, and the rules and terms that are not 0.

    An entry of an asset that nobody wants or holds, after another such, says nothing and is left out.
    """
    import numpy as np
    import polars as pl

    from pipeline.portfolio.account import RULE_NAMES
    from pipeline.portfolio.attribution import TERM_NAMES

    told = np.flatnonzero(~_still_nothing(found))
    times = pl.Series(done.ts.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    symbols = pl.Series(done.symbols, dtype=pl.String)
    frames = []
    for kind, names, weights, values in (
        ("strategy", found.members, found.weight, found.share),
        ("rule", RULE_NAMES, None, found.delta),
        ("term", TERM_NAMES, None, found.term),
    ):
        for column, name in enumerate(names):
            chosen = told if kind == "strategy" else told[values[told, column] != 0.0]
            frames.append(
                pl.DataFrame(
                    {
                        "ts": times.gather(found.row[chosen]),
                        "symbol": symbols.gather(found.asset[chosen]),
                        "contribution": values[chosen, column],
                    }
                ).with_columns(
                    kind=pl.lit(kind),
                    part=pl.lit(name),
                    weight=pl.lit(None, pl.Float64) if weights is None else weights[chosen, column],
                )
            )
    return pl.concat(frames)


def _still_nothing(found: Attribution) -> np.ndarray:
    """Return which entries are all 0 and follow one of the same asset that is so too, or none."""
    import numpy as np

    empty: np.ndarray = (found.weight == 0.0).all(axis=1) & (found.term == 0.0).all(axis=1)
    order = np.argsort(found.asset, kind="stable")
    same = np.diff(found.asset[order], prepend=-1) == 0
    before = np.concatenate([[True], empty[order][:-1]]) | ~same
    still = np.empty(empty.size, np.bool_)
    still[order] = empty[order] & before
    return still
