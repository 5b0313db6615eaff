"""What a reader of a run must know before believing its numbers."""

from pipeline.backtest.result import Flag, Provenance, Simulation
from pipeline.backtest.rules import Rules, Tradable

_COUNTED = {
    "volume_cut": "fills were cut by the volume cap",
    "cash_cut": "times purchases were cut to the cash at hand",
    "uncapped": "fills had no volume cap: too few bars of their cell were known",
    "refused": "bars did not trade and filled nothing",
    "rejected": "orders were below the venue's minimum",
    "unpriced": "targets had no known price",
}


def flags_of(
    simulation: Simulation, rules: Rules, assets: tuple[Tradable, ...], provenance: Provenance
) -> tuple[Flag, ...]:
    """Return the flags, the loudest first."""
    flags = []
    if simulation.counters["fills"] == 0:
        flags.append(Flag("no_trades", value=True, text="NO TRADES: the run never held anything"))
    if provenance.simulated:
        flags.append(Flag("simulated", value=True, text="The prices are simulated"))
    flags += _halt(simulation, rules)
    flags += _prices(assets, provenance)
    flags += [
        Flag(name, simulation.counters[name], f"{simulation.counters[name]} {text}")
        for name, text in _COUNTED.items()
        if simulation.counters[name]
    ]
    trips = simulation.metrics.open_round_trips
    if trips:
        flags.append(Flag("open_round_trips", trips, f"{trips} positions are still open and in no win rate"))
    flags.append(Flag("cash_rate", 0.0, "Cash earns nothing, and the Sharpe ratio uses a cash rate of 0"))
    return tuple(flags)


def _halt(simulation: Simulation, rules: Rules) -> list[Flag]:
    halts = simulation.counters["halts"]
    if not halts:
        return []
    rule = "stay" if rules.resume_after_bars is None else f"resume_after_bars: {rules.resume_after_bars}"
    text = f"The drawdown halt flattened the account {halts} times (on_halt: {rule})"
    return [
        Flag("halts", halts, text),
        Flag("halted_at_end", bool(simulation.counters["halted"]), "Ends halted"),
    ]


def _prices(assets: tuple[Tradable, ...], provenance: Provenance) -> list[Flag]:
    flags = []
    equities = [asset.symbol for asset in assets if asset.asset_class == "equity"]
    bare = [name for name in equities if provenance.adjustment.get(name) != "split_dividend"]
    if bare:
        text = f"Dividends of {', '.join(bare)} are missing (about 1.5-2 % a year)"
        flags.append(Flag("dividends", "missing", text))
    blended = [name for name in equities if provenance.adjustment.get(name) == "split_dividend"]
    if blended:
        text = f"P&L of {', '.join(blended)} is on prices adjusted for dividends, not on raw ones"
        flags.append(Flag("adjusted_prices", ", ".join(blended), text))
    revised = [a.symbol for a in assets if provenance.vintage.get(a.symbol) == "latest_revision"]
    if revised:
        text = f"Bars of {', '.join(revised)} are the latest revision: restatements cannot be measured"
        flags.append(Flag("latest_revision", ", ".join(revised), text))
    return flags
