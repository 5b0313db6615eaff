"""What holders are paid and cash earns on a feed: corporate actions and the rate, read as known.

Laid on a panel by `pipeline.market.cell_flows`; splits in features are `assets.market.history`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warehouse.tables import CORPORATE_ACTIONS, MACRO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.arrays import Float1D, Time1D
    from pipeline.config.system import Cash
    from pipeline.market.panel import Panel
    from warehouse.manifest import Input
    from warehouse.store import Warehouse


@dataclass(frozen=True)
class Paid:
    """What a feed knows of payments on some symbols.

    Parameters
    ----------
    actions
        Dividends and splits that are not yet in the prices, in the shares of the bars.
    rate, rate_known_at
        Published rates per year in the order in which they became known, and when; empty without a series.
    cash
        The settings.
    inputs
        What was read, with digests, for a manifest.
    """

    actions: pl.DataFrame
    rate: Float1D
    rate_known_at: Time1D
    cash: Cash
    inputs: tuple[Input, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols whose dividends are known."""
        return tuple(self.actions.filter(self.actions["kind"] == "dividend")["symbol"].unique().sort())

    def on(self, panel: Panel) -> Panel:
        """Return the panel with its payments; the same where nothing is ever paid."""
        import numpy as np

        from pipeline.market.cell_flows import actions_on, interest_on
        from pipeline.market.flows import Flows
        from pipeline.market.panel import at_decisions

        cash = self.cash
        rate = np.full(panel.n_bars, cash.rate)
        if cash.series is not None:
            rate = at_decisions(self.rate, self.rate_known_at, panel.ts)
        interest = interest_on(rate, keeps=cash.keeps, lends_at=cash.borrow)
        flows = Flows(*actions_on(panel, self.actions), *interest)
        return replace(panel, flows=flows) if flows.interest or flows.actions else panel


def read_payments(
    actions: pl.DataFrame,
    adjustment: Mapping[str, str],
    cash: Cash,
    end: datetime,
    *,
    feed: str,
    warehouse: Warehouse,
    at: datetime | None = None,
) -> Paid:
    """Return the payments of a feed with labels before ``end``, as of ``at``.

    Parameters
    ----------
    actions
        Rows of ``market.corporate_actions``.
    adjustment
        By symbol, what its bars are adjusted for: of bars adjusted for both nothing is left to pay, of bars
        adjusted for splits dividends in later shares; bars of several kinds are paid nothing.
    """
    import numpy as np
    import polars as pl

    from assets.inputs import input_of
    from pipeline.market.adjustment import dividends_in_later_shares

    inputs: tuple[Input, ...] = ()
    raw, split = ([name for name, word in adjustment.items() if word == kind] for kind in ("raw", "split"))
    left = pl.concat(
        [
            actions.filter(pl.col("symbol").is_in(raw)),
            dividends_in_later_shares(actions.filter(pl.col("symbol").is_in(split))),
        ]
    )
    if actions.height:
        inputs += (input_of(CORPORATE_ACTIONS, actions, at, end),)
    rate, known = np.empty(0), np.empty(0, "datetime64[us]")
    if cash.series is not None:
        macro = warehouse.versions(MACRO, at, where={"feed": feed, "series": cash.series}, end=end)
        inputs += (input_of(MACRO, macro, at, end),)
        told = macro.filter(pl.col("value").is_not_null()).sort("known_at", "ts")
        rate, known = told["value"].to_numpy(), told["known_at"].dt.replace_time_zone(None).to_numpy()
    return Paid(left, rate, known, cash, inputs)


def read_actions(
    symbols: Sequence[str], end: datetime, *, feed: str, warehouse: Warehouse, at: datetime | None = None
) -> pl.DataFrame:
    """Return each corporate action with a label before ``end`` as it was first told."""
    import polars as pl

    where = {"feed": feed, "symbol": list(symbols)}
    told = warehouse.versions(CORPORATE_ACTIONS, at, where=where, end=end)
    return told.unique(CORPORATE_ACTIONS.key, keep="first", maintain_order=True).sort(
        pl.col("symbol"), pl.col("ts"), pl.col("kind")
    )
