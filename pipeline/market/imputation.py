"""Bars put where the source has none: only on request, only into short gaps, and marked.

An imputed bar says that nothing is known: every price is the close before, volume is 0, ``state`` is
``imputed``.  It is known when the gap has ended, for nobody knows before that it is short, and any real bar
supersedes it.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.errors import InsufficientDataError
from pipeline.market.bars import PRICES, BarState
from pipeline.market.findings import Finding, Severity


@dataclass(frozen=True)
class Imputation:
    """The policy ``last``.

    Parameters
    ----------
    max_bars
        Missing bars in a row up to which a gap is filled.
    """

    max_bars: int


def impute(
    bars: pl.DataFrame, gaps: pl.DataFrame, cells: pl.DataFrame, policy: Imputation
) -> tuple[pl.DataFrame, pl.DataFrame, list[Finding]]:
    """Fill short gaps with the close before.

    Parameters
    ----------
    bars
        Clean rows of `BAR_SCHEMA`, of one timeframe.
    gaps
        Rows of `GAP_SCHEMA`.
    cells
        ``symbol, ts, open_at, close_at, minutes, known_at`` of bars that a gap lacks; ``known_at`` by the
        calendar's rule.  A cell that is not here is not filled.
    policy
        How long a gap may be.

    Returns
    -------
    tuple
        Bars with the imputed ones among them, the gaps that stay, and one finding ``imputed`` for each gap
        that was filled.  ``known_at`` of an imputed bar is that of the bar that ends the gap, and no earlier
        than the cell's own or its close plus the delay of the bar before.  A gap before a symbol's first bar
        or after its last stays.

    Raises
    ------
    InsufficientDataError
        When a symbol would have as many imputed bars as real ones.
    """
    short = gaps.filter(pl.col("count") <= policy.max_bars)
    runs = cells.join_where(
        short.select(gap_of="symbol", first="first", last="last"),
        pl.col("symbol") == pl.col("gap_of"),
        pl.col("ts") >= pl.col("first"),
        pl.col("ts") <= pl.col("last"),
    )
    own = pl.exclude("open_at", "close_at", "minutes", "known_at", "gap_of", "first", "last")
    before = bars.sort("ts").with_columns(delay=pl.col("known_at") - pl.col("close_at"))
    filled = (
        runs.sort("ts")
        .join_asof(
            before.select(own, last_close="close", last_ts="ts"), on="ts", by="symbol", check_sortedness=False
        )
        .join_asof(
            before.select("symbol", "ts", ended=pl.col("known_at")),
            on="ts",
            by="symbol",
            strategy="forward",
            check_sortedness=False,
        )
        .filter(pl.col("last_close").is_not_null() & pl.col("ended").is_not_null())
    )
    made = filled.with_columns(
        *(pl.col("last_close").alias(price) for price in PRICES),
        volume=pl.lit(0.0),
        covered_minutes=pl.lit(0, pl.Int32),
        state=pl.lit(str(BarState.IMPUTED)),
        known_at=pl.max_horizontal("known_at", pl.col("close_at") + pl.col("delay"), "ended"),
    )
    _require_length(bars, made)
    findings = _findings(made)
    done = made.select("symbol", "first").unique()
    left = gaps.join(done, on=["symbol", "first"], how="anti", maintain_order="left")
    whole = pl.concat([bars, made.select(bars.columns).cast(dict(bars.schema))])
    return whole.sort("symbol", "ts"), left, findings


def _require_length(bars: pl.DataFrame, made: pl.DataFrame) -> None:
    real = dict(bars["symbol"].value_counts().iter_rows())
    for symbol, count in made["symbol"].value_counts().sort("symbol").iter_rows():
        if count >= real[symbol]:
            raise InsufficientDataError(
                f"more of {symbol} is missing than there",
                field="checks.imputation",
                value=f"{count} imputed bars beside {real[symbol]} real ones",
                constraint="fewer imputed bars than real ones",
                fix="fetch the missing bars, or set checks.imputation: none",
            )


def _findings(made: pl.DataFrame) -> list[Finding]:
    gaps = made.group_by("symbol", "first", maintain_order=True).agg(
        pl.col("last").first(), pl.col("close").first(), pl.len().alias("count")
    )
    return [
        Finding(
            "imputed",
            Severity.WARN,
            gap["symbol"],
            gap["first"],
            f"{gap['count']} missing bars stand at the last close, {gap['close']}",
            gap["last"],
            gap["count"],
        )
        for gap in gaps.iter_rows(named=True)
    ]
