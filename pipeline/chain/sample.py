"""The chain of the simulated world: coherent with its price, a function of its parameters and of the days.

One idea: every quantity is drawn by a stream of its own, one number a day in the order of the days, so that
more days never change earlier ones.
"""

from datetime import datetime

import numpy as np
import polars as pl

from pipeline.arrays import Float1D, Int1D
from pipeline.chain.days import DAY, DAY_SCHEMA, conform_days, empty
from pipeline.chain.issuance import BLOCKS_PER_DAY, SATOSHI, supplies
from pipeline.config.chain import SampleChain
from pipeline.seeds import stream

RETARGET = 2016
"""Blocks after which the difficulty follows the hash rate."""
GROWTH, SHOCK = 0.0012, 0.012
"""Mean and standard deviation of the logarithm by which the hash rate changes in a day."""
FEE_SPREAD, TX_SPREAD = 0.5, 0.12
"""Standard deviation of the logarithm of fees, and of transactions, around a usual day."""
TXS_PER_BLOCK, ADDRESSES_PER_TX = 2000.0, 2.6
SOURCE = "simulated"


def simulated_days(
    parameters: SampleChain, start: datetime, end: datetime, prices: pl.DataFrame
) -> pl.DataFrame:
    """Return the days of the simulated chain, columns of ``DAY_SCHEMA``.

    Parameters
    ----------
    parameters
        What it is made of.
    start, end
        00:00 UTC of the first day, and of the first day after the last one.
    prices
        Columns ``ts, price_usd``: the simulated price at the end of each day, as far as known.

    Notes
    -----
    Blocks of a day are Poisson with mean ``144 * hash rate / difficulty``; the difficulty is the hash rate at
    the newest multiple of 2,016 blocks.  The realised price moves by ``moved_share`` of the way to the price
    on every day that has one.
    """
    if end <= start:
        return empty(DAY_SCHEMA)
    axis = pl.datetime_range(start, end, DAY, closed="left", eager=True, time_unit="us").alias("ts")
    priced = axis.to_frame().join(
        prices.select("ts", "price_usd"), on="ts", how="left", maintain_order="left"
    )
    price = priced["price_usd"].fill_null(float("nan")).to_numpy()
    size = price.size

    def normal(what: str) -> Float1D:
        return stream(parameters.seed, f"chain/{what}").normal(size=size)

    hashes = parameters.hash_rate_ths_before * np.exp(np.cumsum(GROWTH + SHOCK * normal("hash rate")))
    count = _blocks(hashes, parameters)
    height = parameters.height_before + np.cumsum(count)
    supply = supplies(height) / SATOSHI
    before = supplies(np.array([parameters.height_before])) / SATOSHI
    issuance = np.diff(supply, prepend=before)
    fees = issuance * parameters.fees_share * np.exp(FEE_SPREAD * normal("fees"))
    transactions = np.rint(count * TXS_PER_BLOCK * np.exp(TX_SPREAD * normal("transactions")))
    realized = _realized_price(price, parameters) * supply
    return conform_days(
        pl.DataFrame(
            {
                "ts": axis,
                "price_usd": price,
                "block_count": count,
                "height": height,
                "fees_btc": fees,
                "realized_cap_usd": np.where(np.isnan(price), np.nan, realized),
                "hash_rate_ths": hashes * count / BLOCKS_PER_DAY,
                "tx_count": transactions.astype(np.int64),
                "active_addresses": np.rint(transactions * ADDRESSES_PER_TX).astype(np.int64),
            }
        ).with_columns(
            source=pl.lit(SOURCE),
            vintage=pl.lit("as_published"),
            simulated=pl.lit(value=True),
            known_at=pl.col("ts") + DAY,
        )
    )


def _blocks(hashes: Float1D, parameters: SampleChain) -> Int1D:
    """Return the blocks of each day: more when the hash rate has grown since the difficulty was set."""
    rng = stream(parameters.seed, "chain/blocks")
    height, difficulty = parameters.height_before, parameters.hash_rate_ths_before
    counts = np.empty(hashes.size, np.int64)
    for day, rate in enumerate(hashes):
        counts[day] = rng.poisson(BLOCKS_PER_DAY * rate / difficulty)
        if (height + counts[day]) // RETARGET > height // RETARGET:
            difficulty = rate
        height += counts[day]
    return counts


def _realized_price(price: Float1D, parameters: SampleChain) -> Float1D:
    realized = np.empty(price.size)
    current = parameters.realized_price_usd_before
    for day, value in enumerate(price):
        if np.isfinite(value):
            current += parameters.moved_share * (value - current)
        realized[day] = current
    return realized
