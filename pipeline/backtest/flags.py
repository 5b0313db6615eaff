"""What a reader of a run must know before believing its numbers."""

import numpy as np

from pipeline.arrays import Bool2D
from pipeline.backtest.result import Flag, Provenance, Simulation
from pipeline.backtest.rules import Rules, Tradable
from pipeline.risk.limits import KILL

FEWEST_ROUND_TRIPS = 20
EDGE = 42
"""Decisions (a week) that an asset may lack at the ends of a window: exchanges close for days."""
_COUNTED = {
    "volume_cut": ("fill was cut by the volume cap", "fills were cut by the volume cap"),
    "cash_cut": (
        "time a purchase was cut to the cash at hand",
        "times purchases were cut to the cash at hand",
    ),
    "uncapped": (
        "fill had no volume cap: too few bars of its cell were known",
        "fills had no volume cap: too few bars of their cell were known",
    ),
    "refused": ("bar did not trade and filled nothing", "bars did not trade and filled nothing"),
    "rejected": ("order was below the venue's minimum", "orders were below the venue's minimum"),
    "unpriced": ("target had no known price", "targets had no known price"),
}
"""What a counter says of one and of many."""


def flags_of(
    simulation: Simulation,
    rules: Rules,
    assets: tuple[Tradable, ...],
    provenance: Provenance,
    *,
    has_bar: Bool2D,
    universe: tuple[str, ...],
) -> tuple[Flag, ...]:
    """Return the flags, the loudest first.

    Parameters
    ----------
    simulation
        The account.
    rules, assets, provenance
        What it obeyed and where its prices come from.
    has_bar
        Whether a bar of the asset lies in the cell of the decision, shape ``(bars, assets)``.
    universe
        The symbols that the strategy may hold.
    """
    flags = []
    if simulation.counters["fills"] == 0:
        flags.append(Flag("no_trades", value=True, text="NO TRADES: the run never held anything"))
    if provenance.simulated:
        flags.append(Flag("simulated", value=True, text="The prices are simulated"))
    flags += _no_bars(simulation.symbols, has_bar, universe)
    flags += _kill(simulation)
    flags += _halt(simulation, rules)
    flags += _prices(assets, provenance)
    if provenance.imputed:
        text = _counted(provenance.imputed, "bar is imputed, not traded", "bars are imputed, not traded")
        flags.append(Flag("imputed", provenance.imputed, text))
    flags += [
        Flag(name, simulation.counters[name], _counted(simulation.counters[name], *texts))
        for name, texts in _COUNTED.items()
        if simulation.counters[name]
    ]
    flags += _round_trips(simulation.metrics.round_trips, simulation.metrics.open_round_trips)
    flags.append(_cash(simulation))
    return tuple(flags)


def _cash(simulation: Simulation) -> Flag:
    if simulation.interest == 0.0:
        return Flag("cash_rate", 0.0, "Cash earns nothing, and the Sharpe ratio uses a cash rate of 0")
    text = "Interest on cash, less what borrowing cost; the Sharpe ratio is in excess of what cash earns"
    return Flag("interest", simulation.interest, text)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _no_bars(symbols: tuple[str, ...], has_bar: Bool2D, universe: tuple[str, ...]) -> list[Flag]:
    """Name each symbol of the universe with no bar in the window, or none before or after some of it."""
    absent = {}
    for column, symbol in enumerate(symbols):
        rows = np.flatnonzero(has_bar[:, column])
        before, after = (rows[0], len(has_bar) - 1 - rows[-1]) if rows.size else (len(has_bar), 0)
        if symbol in universe and (not rows.size or max(before, after) > EDGE):
            absent[symbol] = float(before + after) / len(has_bar)
    if not absent:
        return []
    shares = ", ".join(
        f"{symbol} ({100.0 * share:.3g} % of the decisions)" for symbol, share in absent.items()
    )
    return [
        Flag("no_bars", ", ".join(absent), f"No bars of {shares} at the ends of the window or in all of it")
    ]


def _round_trips(closed: int, still_open: int) -> list[Flag]:
    flags = []
    if closed < FEWEST_ROUND_TRIPS:
        trips = _counted(closed, "closed round trip", "closed round trips")
        flags.append(Flag("few_round_trips", closed, f"Only {trips}: the numbers say little"))
    if still_open:
        text = _counted(still_open, "position is still open", "positions are still open")
        flags.append(Flag("open_round_trips", still_open, f"{text} and in no win rate"))
    return flags


def _kill(simulation: Simulation) -> list[Flag]:
    held = int(np.count_nonzero(simulation.mask & KILL))
    if not held:
        return []
    text = f"The kill switch held targets down at {_counted(held, 'decision', 'decisions')}"
    return [Flag("killed", held, text)]


def _halt(simulation: Simulation, rules: Rules) -> list[Flag]:
    halts = simulation.counters["halts"]
    if not halts:
        return []
    rule = "stay" if rules.resume_after_bars is None else f"resume_after_bars: {rules.resume_after_bars}"
    times = _counted(halts, "time", "times")
    text = f"The drawdown halt flattened the account {times} (on_halt: {rule})"
    return [
        Flag("halts", halts, text),
        Flag("halted_at_end", bool(simulation.counters["halted"]), "Ends halted"),
    ]


def _prices(assets: tuple[Tradable, ...], provenance: Provenance) -> list[Flag]:
    flags = []
    equities = [asset.symbol for asset in assets if asset.asset_class == "equity"]
    paid = [name for name in equities if name in provenance.pays]
    if paid:
        flags.append(Flag("dividends_paid", ", ".join(paid), f"Dividends of {', '.join(paid)} are paid"))
    adjusted = {name for name in equities if provenance.adjustment.get(name) == "split_dividend"}
    bare = [name for name in equities if name not in adjusted and name not in paid]
    if bare:
        text = f"Dividends of {', '.join(bare)} are missing (about 1.5-2 % a year)"
        flags.append(Flag("dividends", "missing", text))
    blended = [name for name in equities if provenance.adjustment.get(name) == "split_dividend"]
    if blended:
        text = f"P&L of {', '.join(blended)} is on prices adjusted for dividends, not on raw ones"
        flags.append(Flag("adjusted_prices", ", ".join(blended), text))
    mixed = [name for name in equities if " and " in provenance.adjustment.get(name, "")]
    if mixed:
        text = f"Bars of {', '.join(mixed)} are adjusted in different ways: P&L across the seam is wrong"
        flags.append(Flag("mixed_adjustment", ", ".join(mixed), text))
    revised = [a.symbol for a in assets if provenance.vintage.get(a.symbol) == "latest_revision"]
    if revised:
        text = f"Bars of {', '.join(revised)} are the latest revision: restatements cannot be measured"
        flags.append(Flag("latest_revision", ", ".join(revised), text))
    chosen = [a.symbol for a in assets if a.symbol in provenance.survivors]
    if chosen:
        text = f"{', '.join(chosen)} were chosen because they are still there (survivorship): returns flatter"
        flags.append(Flag("survivorship", ", ".join(chosen), text))
    return flags
