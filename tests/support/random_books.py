"""Random markets, weights and rules in which every limit, cost and delay has something to do."""

import math
from dataclasses import replace

import numpy as np

from pipeline.backtest.rules import Costs, Rules, Tradable
from pipeline.market.cell_flows import CELL_YEARS
from pipeline.market.flows import Flows
from pipeline.market.panel import Panel

START = np.datetime64("2021-03-01T00:00:00.000000")
HOUR = np.timedelta64(3_600_000_000, "us")


def random_panel(rng, bars=140, assets=3, *, late=True):
    """Odd columns trade in two cells a day with weekends, even ones always; some bars are missing."""
    ts = START + np.arange(bars) * 4 * HOUR
    moves = rng.normal(0.0, 0.03, (bars, assets)) + rng.normal(0.0, 0.01, (1, assets))
    close = 50.0 * np.exp(np.cumsum(moves, axis=0))
    open_ = np.vstack([np.full((1, assets), 50.0), close[:-1]]) * np.exp(rng.normal(0, 0.01, close.shape))
    reach = np.exp(np.abs(rng.normal(0.0, 0.01, close.shape)))
    volume = rng.lognormal(8.0, 1.0, close.shape)
    volume[rng.random(close.shape) < 0.03] = 0.0
    volume[rng.random(close.shape) < 0.03] = np.nan
    open_at = np.repeat(ts[:, None], assets, axis=1)
    close_at = open_at + 4 * HOUR
    number = np.arange(bars)
    gone = rng.random(close.shape) < 0.04
    for column in range(1, assets, 2):
        closed = ~np.isin(number % 6, (3, 4)) | np.isin((number // 6) % 7, (5, 6))
        gone[closed, column] = True
        early = number % 6 == 3
        open_at[early, column] += 3 * HOUR // 2
    known_at = close_at.copy()
    if late:
        known_at[rng.random(close.shape) < 0.1] += HOUR // 4
        known_at[rng.random(close.shape) < 0.02] += 9 * HOUR
    prices = {
        "open": open_,
        "high": np.maximum(open_, close) * reach,
        "low": np.minimum(open_, close) / reach,
        "close": close,
        "volume": volume,
    }
    for array in prices.values():
        array[gone] = np.nan
    for array in (open_at, close_at, known_at):
        array[gone] = np.datetime64("NaT")
    names = tuple(f"{'EC'[column % 2 == 0]}{column}" for column in range(assets))
    return Panel(names, ts, open_at, close_at, known_at, **prices)


def no_flows(panel):
    shape = panel.close.shape
    return Flows(np.zeros(shape), np.ones(shape), np.zeros(shape[0]), np.zeros(shape[0]))


def random_payments(rng, panel):
    """Dividends of up to a twentieth of a price, interest of up to half of the cash a year."""
    rare = rng.random(panel.close.shape) < 0.05
    dividend = np.where(rare, rng.uniform(0.0, 2.0, rare.shape), 0.0)
    rate = rng.uniform(0.0, 0.5, panel.n_bars) * CELL_YEARS
    return replace(no_flows(panel), dividend=dividend, credit=rate, debit=rate + 0.2 * CELL_YEARS)


def random_splits(rng, panel, each=3):
    """So many splits and reverse splits of each asset, in cells in which a bar opens."""
    split = np.ones(panel.close.shape)
    for column in range(panel.n_assets):
        opens = np.flatnonzero(~np.isnan(panel.open[:, column]))[10:]
        for row in rng.choice(opens, min(each, opens.size), replace=False):
            split[row, column] = rng.choice([2.0, 3.0, 0.1])
    return split


def in_shares_of_the_day(panel, split):
    """Return the panel in raw prices: before a split, prices, dividends and units are those of old shares.

    A dividend of the cell of a split is paid for old shares.
    """
    later = np.ones(split.shape)
    for row in range(panel.n_bars - 2, -1, -1):
        later[row] = later[row + 1] * split[row + 1]
    raw = {name: getattr(panel, name) * later for name in ("open", "high", "low", "close")}
    flows = panel.flows or no_flows(panel)
    flows = replace(flows, dividend=flows.dividend * later * split, split=split)
    return replace(panel, **raw, volume=panel.volume / later, flows=flows)


def random_assets(rng, panel):
    lots = rng.choice([0.0, 0.0, 1.0, 0.1], panel.n_assets)
    floors = rng.choice([0.0, 0.0, 200.0], panel.n_assets)
    return tuple(
        Tradable(
            name,
            "crypto" if name[0] == "C" else "equity",
            always_open=name[0] == "C",
            lot=float(lot),
            min_notional=float(floor),
        )
        for name, lot, floor in zip(panel.symbols, lots, floors, strict=True)
    )


def random_weights(rng, panel):
    """Weights that hold, change, vanish and creep; up to half again of what the caps allow."""
    blocks = rng.uniform(0.0, 0.9, (panel.n_bars // 9 + 1, panel.n_assets))
    blocks[rng.random(blocks.shape) < 0.35] = 0.0
    weights = np.repeat(blocks, 9, axis=0)[: panel.n_bars]
    creep = 1.0 + 0.002 * np.arange(panel.n_bars)[:, None] * (rng.random((1, panel.n_assets)) < 0.3)
    return np.ascontiguousarray(weights * creep)


def random_rules(rng):
    def pick(*values):
        return values[int(rng.integers(len(values)))]

    trigger = pick(0.05, 0.15, math.inf)
    return Rules(
        per_asset_cap=pick(0.25, 0.40, math.inf),
        class_caps=pick({}, {"crypto": 0.20}, {"crypto": 0.3, "equity": 0.35}),
        max_leverage=pick(0.5, 1.0, 1.2),
        drawdown_trigger=trigger,
        drawdown_release=trigger * 0.8,
        drawdown_halt=pick(0.10, 0.20, math.inf),
        derisking_factor=0.5,
        resume_after_bars=pick(None, 5, 20),
        rebalance_band_nav=pick(0.0, 0.01, 0.05, math.inf),
        rebalance_band_target=pick(0.0, 0.10),
        min_trade_nav=pick(0.0, 0.001),
        min_trade_usd=pick(0.0, 10.0),
        volume_share=pick(0.01, 0.10, math.inf),
        volume_lookback=pick(2, 3),
        carry_unfilled=bool(rng.integers(2)),
        max_borrowing=pick(None, 0.0),
        costs={"equity": Costs(5.0, 1.0), "crypto": Costs(5.0, 10.0)},
    )
