"""What a change of the best chain leaves behind, and what blocks come to by day.

One idea: a day is over when no later block can fall into it, which is when the median time of the newest
block has passed its end.
"""

from datetime import timedelta

import polars as pl

from pipeline.chain.days import ACTIVE, DAY, DAY_SCHEMA, STALE, conform_days, empty
from pipeline.errors import DataError

HASHES_PER_DIFFICULTY = 2.0**32
_SECONDS_PER_DAY, _TERA = 86_400.0, 1e12
MOST_AHEAD = timedelta(hours=2)
"""No node takes a block whose header is further ahead of the time."""
COUNTED = "counted from blocks"
"""What ``source`` says of such a day."""
COUNTED_FROM = (
    "hash", "ts", "height", "prev_hash", "median_time", "tx_count", "difficulty", "subsidy_btc", "fees_btc",
    "state", "simulated", "known_at",
)  # fmt: skip
"""The columns of blocks that `day_totals` reads."""


def left_behind(stored: pl.DataFrame, ancestor: int) -> pl.DataFrame:
    """Return the stored active blocks above the height of a common ancestor, as stale ones."""
    gone = stored.filter((pl.col("state") == ACTIVE) & (pl.col("height") > ancestor))
    return gone.with_columns(pl.lit(STALE).alias("state"))


def doubled(stored: pl.DataFrame) -> int | None:
    """Return the least height with more than one active block; None where there is none.

    Two updates at once leave such heights when the node changes its mind between them.
    """
    heights = stored.filter(pl.col("state") == ACTIVE)["height"]
    return min(heights.filter(heights.is_duplicated()).to_list(), default=None)


def day_totals(blocks: pl.DataFrame) -> pl.DataFrame:
    """Return the days that are over, columns of ``DAY_SCHEMA``, without a price.

    Parameters
    ----------
    blocks
        Columns `COUNTED_FROM`; stale ones count nothing.  The first day is left out
        unless the first block of all is there, for nobody knows what it lacks; so is the second where a
        block before the first may lie in it.

    Returns
    -------
    polars.DataFrame
        Blocks count for the day of the time in their header; a day without one has none of anything.  A sum
        is NULL where a block lacks the number.  A day is known with the block that ended it, and with the
        last of its own.

    Raises
    ------
    DataError
        When heights are missing or repeated among the active blocks.
    """
    chain = blocks.filter(pl.col("state") == ACTIVE).sort("height")
    if chain.is_empty():
        return empty(DAY_SCHEMA)
    _require_whole(chain)
    first = int(chain["height"][0])
    counted = (
        chain.with_columns(pl.col("ts").dt.truncate("1d").alias("day"))
        .group_by("day")
        .agg(
            pl.len().alias("block_count"),
            _whole_sum("subsidy_btc").alias("issuance_btc"),
            _whole_sum("fees_btc"),
            _whole_sum("tx_count"),
            _whole_sum("difficulty"),
            pl.col("known_at").max().alias("own"),
            pl.col("simulated").any(),
        )
    )
    totals = _every_day(counted).with_columns((first - 1 + pl.col("block_count").cum_sum()).alias("height"))
    passed = chain.select("median_time", closed_at="known_at").drop_nulls("median_time")
    passed = passed.with_columns(pl.col("median_time").cum_max(), pl.col("closed_at").cum_max())
    over = (
        totals.with_columns((pl.col("day") + DAY).alias("end"))
        .sort("end")
        .join_asof(passed, left_on="end", right_on="median_time", strategy="forward")
        .filter(pl.col("closed_at").is_not_null())
    )
    if first > 0:
        over = over.filter(pl.col("day") > (chain["ts"].head(1) + MOST_AHEAD).dt.truncate("1d").item())
    return conform_days(
        over.select(
            pl.col("day").alias("ts"),
            "block_count",
            "height",
            "issuance_btc",
            "fees_btc",
            "tx_count",
            (pl.col("difficulty") * (HASHES_PER_DIFFICULTY / _SECONDS_PER_DAY / _TERA)).alias(
                "hash_rate_ths"
            ),
            pl.lit(COUNTED).alias("source"),
            pl.lit("as_published").alias("vintage"),
            "simulated",
            pl.max_horizontal("own", "closed_at", "end").alias("known_at"),
        )
    )


def _every_day(counted: pl.DataFrame) -> pl.DataFrame:
    """Return all days from the first to the last one; one without blocks has 0 of everything."""
    ends = counted.select(first=pl.col("day").min(), last=pl.col("day").max()).row(0)
    axis = pl.datetime_range(*ends, DAY, eager=True, time_unit="us").alias("day").to_frame()
    dense = axis.join(counted, on="day", how="left", maintain_order="left")
    without = pl.col("block_count").is_null()
    nothing = [
        pl.when(without).then(0).otherwise(name).cast(dtype).alias(name)
        for name, dtype in counted.schema.items()
        if dtype.is_numeric()
    ]
    return dense.with_columns(*nothing, pl.col("simulated").fill_null(value=False))


def _whole_sum(name: str) -> pl.Expr:
    """Return the sum of a column, NULL where a value is."""
    return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name)


def faults_of(chain: pl.DataFrame) -> list[str]:
    """Return what is wrong with active blocks, sorted by height: holes, and links that do not hold."""
    found = []
    if chain["height"].null_count() or (chain["height"].diff().drop_nulls() != 1).any():
        found.append("heights do not follow each other")
    if (chain["prev_hash"].slice(1) != chain["hash"].head(max(chain.height - 1, 0))).any():
        found.append("a block does not lead back to the one before it")
    return found


def _require_whole(chain: pl.DataFrame) -> None:
    faults = faults_of(chain)
    if faults:
        raise DataError(
            f"the stored chain is not whole: {faults[0]}",
            field="height",
            value=chain.height,
            constraint="one active block at each height, each leading back to the one before",
            fix="update the blocks again; if it stays, run `bells doctor`",
        )
