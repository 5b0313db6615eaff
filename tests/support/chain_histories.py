"""Chain histories for the tests of valuation: the real file, and small simulated ones."""

from pathlib import Path

import numpy as np
import polars as pl

from pipeline.valuation.history import ChainHistory

DAY = np.timedelta64(1, "D")
GENESIS = np.datetime64("2009-01-03")


def real_history(folder: Path) -> ChainHistory:
    """The columns of `chain.metrics_daily` that the models read, derived from the file alone."""
    frame = pl.read_parquet(folder / "chain" / "btc_chain_daily.parquet")
    days = frame["date"].to_numpy().astype("datetime64[D]")
    raw = {
        name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in frame.columns
        if name != "date"
    }
    return ChainHistory(days, (days + DAY).astype("datetime64[us]"), derived(raw, raw["height_end"]))


def derived(raw, height):
    trailing = np.full(height.size, np.nan)
    total = np.cumsum(np.nan_to_num(raw["issuance_btc"]))
    trailing[365:] = total[365:] - total[:-365]
    trailing[trailing <= 0.0] = np.nan
    price = np.nan_to_num(raw["price_usd"])
    revenue = np.nan_to_num(raw["issuance_usd"]) + np.nan_to_num(raw["fees_btc"]) * price
    return {
        **raw,
        "height": np.where(height >= 0, height, np.nan),
        "flow_365_btc": trailing,
        "s2f": raw["supply_btc"] / trailing,
        "thermocap_usd": np.cumsum(revenue),
    }


def simulated_history(
    days: int = 1500, *, seed: int = 1, sd: float = 0.03, slope: float = 5.7, half_life: float = 45.0
) -> ChainHistory:
    """A planted power law with mean-reverting residuals, on a chain of 144 blocks a day, from 2010-07-18."""
    rng = np.random.default_rng(seed)
    date = np.datetime64("2010-07-18") + np.arange(days) * DAY
    age = (date - GENESIS).astype(float)
    keep = 0.5 ** (1.0 / half_life)
    noise = np.zeros(days)
    for t in range(1, days):
        noise[t] = keep * noise[t - 1] + sd * rng.standard_normal()
    price = np.exp(-39.0 + slope * np.log(age) + noise)
    height = 144.0 * age
    reward = np.where(height < 210_000, 50.0, np.where(height < 420_000, 25.0, 12.5))
    issuance = 144.0 * reward
    supply = 50.0 * height[0] + np.cumsum(issuance)
    spent = np.zeros(days)
    spent[0] = price[0]
    for t in range(1, days):
        spent[t] = 0.99 * spent[t - 1] + 0.01 * price[t]
    raw = {
        "price_usd": price,
        "issuance_btc": issuance,
        "issuance_usd": issuance * price,
        "fees_btc": np.full(days, 5.0),
        "supply_btc": supply,
        "market_cap_usd": price * supply,
        "realized_cap_usd": spent * supply,
        "mvrv": price / spent,
    }
    return ChainHistory(date, (date + DAY).astype("datetime64[us]"), derived(raw, height))


def extended(history: ChainHistory, other: ChainHistory) -> ChainHistory:
    """The rows of one history, then the rows of another that come after them."""
    later = other.since(history.date[-1] + DAY)
    columns = {
        name: np.concatenate([values, later.columns[name]]) for name, values in history.columns.items()
    }
    return ChainHistory(
        np.concatenate([history.date, later.date]),
        np.concatenate([history.known_at, later.known_at]),
        columns,
    )
