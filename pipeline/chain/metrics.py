"""What follows from the days of a chain: height, thermocap, stock-to-flow, market and realised cap, Puell.

One idea: every figure of a day is made of that day and earlier ones, in the order of the days, so that later
days change nothing.  Unknown stays NULL; what is cumulative is unknown from the first unknown day on.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from pipeline.arrays import Bool1D, Float1D
from pipeline.chain.days import DAY, conform_days
from pipeline.chain.heights import estimated_heights
from pipeline.chain.issuance import SATOSHI, supplies

WINDOW = 365
"""Days in the flow of stock-to-flow and in the mean of the Puell multiple."""


@dataclass(frozen=True)
class Origin:
    """What had happened before the first day of a history.

    Parameters
    ----------
    height
        Of the last block before it; -1: none, which counts only where the history begins with the chain;
        None: unknown, so that heights are estimated until one is told.
    thermocap_usd
        Miner revenue before it, USD.
    """

    height: int | None = -1
    thermocap_usd: float = 0.0


GENESIS = Origin()
FIRST_MINED = datetime(2009, 1, 9, tzinfo=UTC)
"""The day of block 1: a history that begins later has blocks before it."""


def derive(days: pl.DataFrame, origin: Origin = GENESIS) -> pl.DataFrame:
    """Return the metrics of days.

    Parameters
    ----------
    days
        Columns of ``DAY_SCHEMA``, one row a UTC day, from the first day of the history on; ``price_usd`` is
        the price at the end of the day.
    origin
        What came before.

    Returns
    -------
    polars.DataFrame
        The days that were given, in order, with the columns of ``chain.metrics_daily`` but the feed.  A day
        is known when it and all earlier ones are.

    Notes
    -----
    ``revenue = (issuance_btc + fees_btc) * price_usd``; ``thermocap`` is its running sum, in which a day
    without a price counts 0; ``s2f = supply / issuance of 365 days``; ``puell = issuance_usd / its mean of
    365 days``.  Each window ends with the day itself.
    """
    given = conform_days(days)
    if given.is_empty():
        return _laid_out(given, {}, [])
    dense, there = _every_day(given)
    column = {
        name: dense[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name, dtype in dense.schema.items()
        if dtype.is_numeric()
    }
    if origin.height == -1 and given["ts"][0] > FIRST_MINED:
        origin = replace(origin, height=None)
    counted = _counted_heights(column["height"], column["block_count"], origin)
    by_chain = np.isfinite(counted)
    stamps = dense["ts"].dt.replace_time_zone(None).to_numpy().astype("datetime64[D]")
    height = np.where(by_chain, counted, estimated_heights(stamps).astype(np.float64))
    scheduled = _scheduled_supply(height)
    supply = _first_known(column["supply_btc"], scheduled)
    issuance = _first_known(column["issuance_btc"], _scheduled_issuance(scheduled, by_chain, origin))
    price, fees = column["price_usd"], column["fees_btc"]
    issuance_usd, fees_usd = issuance * price, fees * price
    revenue = issuance_usd + fees_usd
    counts = np.where(there & np.isnan(price), 0.0, revenue)
    flow = _trailing_sum(issuance)
    cap = _first_known(column["market_cap_usd"], supply * price)
    realized = _first_known(column["realized_cap_usd"], _ratio(cap, column["mvrv"]))
    made = {
        "price_usd": price,
        "block_count": column["block_count"],
        "height": height,
        "supply_btc": supply,
        "issuance_btc": issuance,
        "issuance_usd": issuance_usd,
        "fees_btc": fees,
        "fees_usd": fees_usd,
        "miner_revenue_usd": revenue,
        "thermocap_usd": origin.thermocap_usd + np.cumsum(counts),
        "flow_365_btc": flow,
        "s2f": _ratio(supply, flow),
        "market_cap_usd": cap,
        "realized_cap_usd": realized,
        "mvrv": _first_known(column["mvrv"], _ratio(cap, realized)),
        "hash_rate_ths": column["hash_rate_ths"],
        "puell": _ratio(issuance_usd, _trailing_sum(issuance_usd) / WINDOW),
        "tx_count": column["tx_count"],
        "active_addresses": column["active_addresses"],
    }
    source = np.where(by_chain, "chain", "schedule")[there].tolist()
    return _laid_out(given, {name: values[there] for name, values in made.items()}, source)


def days_of(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the days that stored metrics were derived from: `derive` of them gives the metrics again.

    Parameters
    ----------
    metrics
        Columns of ``chain.metrics_daily``; an estimated height is taken out.
    """
    counted = pl.when(pl.col("height_source") == "chain").then("height").alias("height")
    return conform_days(metrics.with_columns(counted))


_WHOLE = ("block_count", "height", "tx_count", "active_addresses")


def _laid_out(given: pl.DataFrame, made: dict[str, Float1D], source: list[str]) -> pl.DataFrame:
    names = (
        "price_usd", "block_count", "height", "supply_btc", "issuance_btc", "issuance_usd", "fees_btc",
        "fees_usd", "miner_revenue_usd", "thermocap_usd", "flow_365_btc", "s2f", "market_cap_usd",
        "realized_cap_usd", "mvrv", "hash_rate_ths", "puell", "tx_count", "active_addresses",
    )  # fmt: skip
    none = np.empty(0)
    columns = [
        pl.Series(name, made.get(name, none), pl.Float64)
        .fill_nan(None)
        .cast(pl.Int32 if name in _WHOLE else pl.Float64)
        for name in names
    ]
    return (
        given.select("ts", "source", "vintage", "simulated", pl.col("known_at").cum_max())
        .with_columns(columns)
        .with_columns(pl.Series("height_source", source, pl.String))
        .select("ts", *names[:3], "height_source", *names[3:], "source", "vintage", "simulated", "known_at")
    )


def _every_day(given: pl.DataFrame) -> tuple[pl.DataFrame, Bool1D]:
    """Return all days from the first to the last one, and which of them were given."""
    ends = given.select(first=pl.col("ts").min(), last=pl.col("ts").max()).row(0)
    axis = pl.datetime_range(*ends, DAY, eager=True, time_unit="us").alias("ts")
    dense = axis.to_frame().join(given, on="ts", how="left", maintain_order="left")
    return dense, dense["known_at"].is_not_null().to_numpy()


def _counted_heights(height: Float1D, count: Float1D, origin: Origin) -> Float1D:
    """Return the heights told, and those that counts of blocks lead to from there; NaN elsewhere."""
    before = np.nan if origin.height is None else float(origin.height)
    told = np.concatenate([[before], height])
    blocks = np.concatenate([[0.0], count])
    unknown = np.isnan(blocks)
    passed, holes = np.cumsum(np.where(unknown, 0.0, blocks)), np.cumsum(unknown)
    anchor = np.maximum.accumulate(np.where(np.isnan(told), 0, np.arange(told.size)))
    counted = told[anchor] + (passed - passed[anchor])
    return np.where(holes == holes[anchor], counted, np.nan)[1:]


def _scheduled_supply(height: Float1D) -> Float1D:
    """Return the supply at each height by the schedule, BTC; 0 before the first block."""
    whole = height.astype(np.int64)
    return np.where(whole < 0, 0.0, supplies(np.maximum(whole, 0)) / SATOSHI)


def _scheduled_issuance(supply: Float1D, by_chain: Bool1D, origin: Origin) -> Float1D:
    """Return what each day added to the scheduled supply; unknown where counted meets estimated."""
    first = np.nan if origin.height is None else _scheduled_supply(np.array([float(origin.height)]))[0]
    before, kind = np.concatenate([[first], supply[:-1]]), np.concatenate([[True], by_chain[:-1]])
    return np.where(kind == by_chain, supply - before, np.nan)


def _trailing_sum(values: Float1D) -> Float1D:
    """Return the sum of the newest `WINDOW` values; each sum is made by itself, so no start matters."""
    answer = np.full(values.size, np.nan)
    if values.size >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
        answer[WINDOW - 1 :] = np.ascontiguousarray(windows).sum(axis=1)
    return answer


def _ratio(above: Float1D, below: Float1D) -> Float1D:
    """Return the quotient where the divisor is a positive number."""
    usable = below > 0.0
    return np.where(usable, above, np.nan) / np.where(usable, below, 1.0)


def _first_known(given: Float1D, otherwise: Float1D) -> Float1D:
    return np.where(np.isnan(given), otherwise, given)
