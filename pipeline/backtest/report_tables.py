"""The tables of a report about what happened: months, drawdowns, trades, round trips, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.backtest.periods import calendar_of, underwater
from pipeline.backtest.pictures import MONTHS, YEAR_SCALE, full_colour, shade
from pipeline.backtest.report_page import note, shown, table
from pipeline.calendar.grid import CELL64
from pipeline.pictures import hundredths

if TYPE_CHECKING:
    from pipeline.arrays import Float1D
    from pipeline.backtest.result import BacktestResult

MOST_TRADES = 500
_DEEPEST = 5
_DAY = np.timedelta64(1, "D")


def months(result: BacktestResult) -> str:
    """Return the calendar of monthly returns as coloured cells, in percent."""
    calendar = calendar_of(*result.simulation.monthly_returns)
    full = full_colour(calendar.monthly)
    head = "".join(f"<th>{name}</th>" for name in ("", *MONTHS)) + '<th class="year">Year</th>'
    lines = []
    for year, monthly, annual in zip(calendar.years, calendar.monthly, calendar.annual, strict=True):
        cells = [_shaded(float(value), full) for value in monthly]
        cells.append(_shaded(float(annual), full * YEAR_SCALE, ' class="year"'))
        lines.append(f'<tr><th scope="row">{year}</th>{"".join(cells)}</tr>')
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table class="months">{body}</table></div>' + note(
        "Percent; a month ends with the decision at 00:00 UTC of the next one's first day."
    )


def _shaded(value: float, full: float, kind: str = "") -> str:
    if np.isnan(value):
        return f'<td{kind} style="background:#f5f7fa"></td>'
    colour, light = shade(value, full)
    red, green, blue = (round(255 * part) for part in colour)
    ink = ";color:#fff" if light else ""
    return f'<td{kind} style="background:rgb({red},{green},{blue}){ink}">{hundredths(value, 1)}</td>'


def drawdowns(result: BacktestResult) -> str:
    """Return the deepest stretches below a peak of NAV."""
    done = result.simulation
    stretches = underwater(done.drawdown)
    rows = []
    for stretch in stretches[:_DEEPEST]:
        over = len(done.ts) - 1 if stretch.recovery is None else stretch.recovery
        began = done.ts[0] if stretch.peak < 0 else done.ts[stretch.peak] + CELL64
        days = (done.ts[over] + CELL64 - began) / _DAY
        back = "not yet" if stretch.recovery is None else day(done.ts[stretch.recovery] + CELL64)
        rows.append(
            (day(began), day(done.ts[stretch.trough] + CELL64), back, shown(stretch.depth, "percent"),
             shown(days, "count"))
        )  # fmt: skip
    if not rows:
        return note("NAV never fell below a peak.")
    share = float(np.mean(done.drawdown > 0.0))
    return table(("Peak", "Trough", "Recovered", "Depth", "Days under water"), rows, words=3) + note(
        f"The {len(rows)} deepest of {len(stretches)}; {shown(share, 'percent')} of the time was under water."
    )


def trades(result: BacktestResult) -> str:
    """Return the first fills in the order they happened, and how many more there are."""
    done, fills = result.simulation, result.simulation.fills
    if not fills.size:
        return note("NO TRADES: nothing was ever bought or sold.")
    first = fills[:MOST_TRADES]
    rows = [
        (
            instant(at),
            done.symbols[fill["asset"]],
            "buy" if fill["quantity"] > 0.0 else "sell",
            shown(abs(float(fill["quantity"])), "plain"),
            shown(float(fill["price_open"]), "plain"),
            shown(float(fill["price"]), "plain"),
            shown(abs(float(fill["quantity"] * fill["price"])), "money"),
            shown(float(fill["fee"]), "money"),
            shown(float(fill["slippage"]), "money"),
        )
        for fill, at in zip(first, done.filled_at[:MOST_TRADES], strict=True)
    ]
    head = ("Filled, UTC", "Asset", "Side", "Quantity", "Open", "Price", "Notional", "Fee", "Slippage")
    rest = fills.size - first.size
    more = f"{rest:,} more fills are in backtest.fills." if rest else f"All {fills.size:,} fills."
    return table(head, rows, words=3) + note(more)


def round_trips(result: BacktestResult) -> str:
    """Return closed round trips by asset."""
    done, trips = result.simulation, result.simulation.trips
    closed = ~np.isnat(done.exited_at)
    rows = []
    for column, symbol in enumerate(done.symbols):
        mine = closed & (trips["asset"] == column)
        if not mine.any():
            continue
        profit, gain = trips["pnl"][mine], trips["return_"][mine]
        days = (done.exited_at[mine] - done.entered_at[mine]) / _DAY
        rows.append(
            (symbol, f"{profit.size:,}", shown(float(np.mean(profit > 0.0)), "percent"),
             shown(float(profit.sum()), "money"), _received(result, symbol, trips["dividends"][mine]),
             shown(float(np.median(gain)), "percent"),
             shown(float(gain.max()), "percent"), shown(float(gain.min()), "percent"),
             shown(float(np.median(days)), "ratio"))
        )  # fmt: skip
    head = (
        "Asset", "Closed", "Won", "Profit", "Of it dividends", "Median return", "Best", "Worst", "Median days"
    )  # fmt: skip
    return table(head, rows) + note(_TRIPS) if rows else note("No round trip was closed.")


_TRIPS = (
    "Profit after all costs, with the dividends on what was held; a dash: none are known. Interest on cash, "
    "earned or owed, belongs to the account and to no trip."
)


def _received(result: BacktestResult, symbol: str, cash: Float1D) -> str:
    """Return the dividends of an asset, or where else they are."""
    if symbol in result.provenance.pays:
        return shown(float(cash.sum()), "money")
    inside = result.provenance.adjustment.get(symbol) == "split_dividend"
    return "in the price" if inside else shown(None, "money")


def costs(result: BacktestResult) -> str:
    """Return what trading cost by asset, in money and in basis points of what was traded."""
    done, fills = result.simulation, result.simulation.fills
    if not fills.size:
        return note("Nothing was traded, so nothing was paid.")
    notional = np.abs(fills["quantity"] * fills["price"])
    wanted = [(symbol, fills["asset"] == column) for column, symbol in enumerate(done.symbols)]
    rows = []
    for name, mine in [*wanted, ("All", np.ones(fills.size, np.bool_))]:
        if not mine.any():
            continue
        traded, fee, slippage = (
            float(part[mine].sum()) for part in (notional, fills["fee"], fills["slippage"])
        )
        rows.append(
            (name, f"{int(mine.sum()):,}", shown(traded, "money"), shown(fee, "money"),
             shown(slippage, "money"), shown(fee + slippage, "money"),
             shown(1e4 * (fee + slippage) / traded, "ratio"))
        )  # fmt: skip
    head = ("Asset", "Fills", "Traded", "Fees", "Slippage", "Costs", "Costs, bp of traded")
    return table(head, rows)


def day(at: np.datetime64) -> str:
    """Return the UTC date of an instant."""
    return str(at.astype("datetime64[D]"))


def instant(at: np.datetime64) -> str:
    """Return an instant to the minute, UTC."""
    return str(at.astype("datetime64[m]")).replace("T", " ")
