"""Raw prices into adjusted ones and back, with the corporate actions that were in force at an instant.

An action is in force from the later of its ex-date and the instant at which it was known: a split that comes
tomorrow, or of which nobody had heard, changes no price today.  What was adjusted as of an instant is
therefore never changed by actions that come later.
"""

from datetime import datetime

import polars as pl

from pipeline.errors import DataError
from pipeline.market.actions import ActionKind
from pipeline.market.bars import PRICES

_STEP = {"symbol": pl.String(), "until": pl.Datetime("us", "UTC"), "factor": pl.Float64()}


def split_factors(actions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return by how much the splits in force at ``at`` divide older prices.

    Parameters
    ----------
    actions
        Columns of ``ACTION_SCHEMA``, at least ``symbol, ts, kind, value, known_at``.
    at
        The instant of the reader.

    Returns
    -------
    polars.DataFrame
        Columns ``symbol, until, factor``, sorted by ``until``: prices labelled before ``until``, and not
        before an earlier step's, are divided by ``factor``.

    Examples
    --------
    Tesla split 5:1 on 2020-08-31 and 3:1 on 2022-08-25, so that in 2023 its prices of 2019 are divided by 15
    and those of 2021 by 3.
    """
    return _steps(_in_force(actions, ActionKind.SPLIT, at))


def split_adjusted(bars: pl.DataFrame, actions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return raw bars as they look in shares of ``at``: prices divided, volume multiplied.

    Parameters
    ----------
    bars
        Columns of ``BAR_SCHEMA``, all of them ``raw``, in any order; H4 or daily.
    actions, at
        As in `split_factors`.

    Raises
    ------
    DataError
        When a bar is adjusted already.
    """
    _require(bars, "raw")
    return _scaled(bars, split_factors(actions, at), "split")


def restated_closes(rows: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return every version of raw closes in the shares of when it was known, and again after each split.

    A reader who takes, at any instant, the newest version of each close known by then has all closes in the
    shares of that instant.

    Parameters
    ----------
    rows
        Columns ``symbol, ts, known_at, close``: all versions, all of them raw, in any order.
    actions
        As in `split_factors`.

    Returns
    -------
    polars.DataFrame
        The same columns, sorted by symbol, label and ``known_at``.  What a split that is in force from an
        instant on makes of a close known by then is known from that instant on.
    """
    in_force = pl.max_horizontal("ts", "known_at")
    splits = actions.filter(
        pl.col("kind") == ActionKind.SPLIT, pl.col("symbol").is_in(rows["symbol"].implode())
    )
    splits = splits.select("symbol", "value", ex="ts", since=in_force)
    order = ["symbol", "ts", "known_at"]
    rows = rows.select(*order, "close").sort(order, maintain_order=True)
    found = [_counted(rows, splits)]
    for symbol, since in splits.select("symbol", "since").unique().sort("symbol", "since").iter_rows():
        last = splits.filter(pl.col("symbol") == symbol, pl.col("since") == since)["ex"].max()
        known = rows.filter(pl.col("symbol") == symbol, pl.col("known_at") <= since, pl.col("ts") < last)
        newest = known.unique(["symbol", "ts"], keep="last", maintain_order=True)
        found.append(_counted(newest.with_columns(known_at=pl.lit(since, rows["known_at"].dtype)), splits))
    return pl.concat(found).sort(order, maintain_order=True)


def unadjusted(bars: pl.DataFrame, actions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return raw bars of those that a vendor had adjusted for splits by ``at``, its download.

    The vendor knew every split whose ex-date had come, whether or not its announcement reached us.  A split
    that is missing from ``actions`` cannot be taken back: the bars before it stay divided.

    Parameters
    ----------
    bars
        Columns of ``BAR_SCHEMA``, all of them ``split``.
    actions
        As in `split_factors`.
    at
        When the vendor delivered.

    Raises
    ------
    DataError
        When a bar is not adjusted for splits alone.
    """
    _require(bars, "split")
    splits = actions.filter(pl.col("kind") == ActionKind.SPLIT, pl.col("ts") <= at)
    back = _steps(splits).with_columns(factor=1.0 / pl.col("factor"))
    return _scaled(bars, back, "raw")


def dividend_factors(bars: pl.DataFrame, actions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return by how much the dividends in force at ``at`` multiply older prices.

    A dividend D multiplies prices before its ex-date by 1 - D / C, where C is the last close before it, both
    in the same shares.  A dividend before the first bar multiplies nothing.

    Parameters
    ----------
    bars
        As in `split_adjusted`: raw closes.
    actions, at
        As in `split_factors`.

    Returns
    -------
    polars.DataFrame
        ``symbol, until, factor`` as `split_factors`.

    Raises
    ------
    DataError
        When a bar is not raw, or a dividend is as large as the price.

    Notes
    -----
    The backward adjustment of CRSP and of most vendors: total returns with dividends bought back at the close
    before the ex-date.
    """
    _require(bars, "raw")
    splits = split_factors(actions, at)
    paid = _in_force(actions, ActionKind.DIVIDEND, at).select("symbol", "ts", cash="value")
    paid = _with_factor(paid, splits).with_columns(cash=pl.col("cash") / pl.col("factor")).drop("factor")
    closes = _with_factor(bars.select("symbol", "ts", "close"), splits)
    closes = closes.select("symbol", "ts", before=pl.col("close") / pl.col("factor")).sort("ts")
    found = paid.sort("ts").join_asof(
        closes, on="ts", by="symbol", allow_exact_matches=False, check_sortedness=False
    )
    ratios = found.drop_nulls("before").with_columns(value=1.0 - pl.col("cash") / pl.col("before"))
    wrong = ratios.filter(pl.col("value") <= 0.0)
    if wrong.height:
        row = wrong.row(0, named=True)
        raise DataError(
            f"a dividend of {row['symbol']} is as large as its price",
            field=f"{row['ts']:%Y-%m-%d}",
            value=row["cash"],
            constraint=f"below the close before, {row['before']}",
            fix="check the dividend's currency and shares, or the price's unit",
        )
    return _steps(ratios)


def total_return_adjusted(bars: pl.DataFrame, actions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return raw bars adjusted for the splits and dividends in force at ``at``.

    Raises
    ------
    DataError
        As `dividend_factors`.
    """
    reinvested = dividend_factors(bars, actions, at)
    adjusted = _with_factor(split_adjusted(bars, actions, at), reinvested)
    prices = [pl.col(price) * pl.col("factor") for price in PRICES]
    return adjusted.with_columns(prices, adjustment=pl.lit("split_dividend")).drop("factor")


def dividends_in_later_shares(actions: pl.DataFrame) -> pl.DataFrame:
    """Return dividends divided by the splits after them: cash for one share of split-adjusted prices.

    Parameters
    ----------
    actions
        Columns of ``ACTION_SCHEMA``; every split in them is in the prices already.
    """
    steps = _steps(actions.filter(pl.col("kind") == ActionKind.SPLIT))
    paid = _with_factor(actions.filter(pl.col("kind") == ActionKind.DIVIDEND), steps)
    return paid.with_columns(value=pl.col("value") / pl.col("factor")).drop("factor")


def _in_force(actions: pl.DataFrame, kind: ActionKind, at: datetime) -> pl.DataFrame:
    return actions.filter(pl.col("kind") == kind, pl.max_horizontal("ts", "known_at") <= at)


def _steps(actions: pl.DataFrame) -> pl.DataFrame:
    """Multiply each action with all later ones of its symbol."""
    later = pl.col("value").cum_prod(reverse=True).over("symbol")
    steps = actions.sort("symbol", "ts").select("symbol", until="ts", factor=later)
    return steps.cast(dict(_STEP)).sort("until")


def _with_factor(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add ``factor``, 1 where no step applies; the order of the rows stays."""
    numbered = rows.with_row_index("row_").sort("ts")
    joined = numbered.join_asof(
        steps,
        left_on="ts",
        right_on="until",
        by="symbol",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return joined.sort("row_").drop("row_", "until").with_columns(pl.col("factor").fill_null(1.0))


def _counted(rows: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Divide each close by the splits after it that are in force when the row is known."""
    factor = pl.lit(1.0)
    for symbol, value, ex, since in splits.sort("ex").iter_rows():
        after = (pl.col("symbol") == symbol) & (pl.col("ts") < ex) & (pl.col("known_at") >= since)
        factor *= pl.when(after).then(value).otherwise(1.0)
    return rows.with_columns(close=pl.col("close") / factor)


def _scaled(bars: pl.DataFrame, steps: pl.DataFrame, adjustment: str) -> pl.DataFrame:
    scaled = _with_factor(bars, steps).with_columns(
        *(pl.col(price) / pl.col("factor") for price in PRICES),
        pl.col("volume") * pl.col("factor"),
        adjustment=pl.lit(adjustment),
    )
    return scaled.drop("factor")


def _require(bars: pl.DataFrame, adjustment: str) -> None:
    other = bars.filter(pl.col("adjustment").ne_missing(adjustment))
    if other.height:
        raise DataError(
            "bars of another adjustment",
            field="adjustment",
            value=other["adjustment"][0],
            constraint=adjustment,
            fix=f"give bars that are {adjustment}",
        )
