"""What a report says first and last: headline numbers and flags, settings and hashes.

What happened in between is in `report_tables`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pipeline.backtest.report_page import Kind, pairs, shown, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.backtest.result import BacktestResult

_LOUD = frozenset({"no_trades", "simulated", "halts", "halted_at_end"})
_HEADLINE: tuple[tuple[str, tuple[tuple[str, str, Kind], ...]], ...] = (
    (
        "Return",
        (
            ("total_return", "Total return", "percent"),
            ("cagr", "CAGR", "percent"),
            ("initial_nav", "NAV at the start", "money"),
            ("final_nav", "NAV at the end", "money"),
            ("years", "Years", "ratio"),
            ("bps", "Balanced performance score", "ratio"),
        ),
    ),
    (
        "Risk",
        (
            ("max_drawdown", "Largest drawdown", "percent"),
            ("volatility", "Volatility, a year", "percent"),
            ("sharpe", "Sharpe, daily NAV", "ratio"),
            ("sharpe_nw", "Sharpe, Newey-West", "ratio"),
            ("sharpe_h4", "Sharpe, H4 returns", "ratio"),
            ("sortino", "Sortino", "ratio"),
            ("calmar", "Calmar", "ratio"),
        ),
    ),
    (
        "Trading",
        (
            ("trades", "Fills", "count"),
            ("round_trips", "Round trips closed", "count"),
            ("open_round_trips", "Round trips open", "count"),
            ("win_rate", "Win rate", "percent"),
            ("profit_factor", "Profit factor", "ratio"),
            ("turnover", "Turnover, times NAV a year", "ratio"),
            ("cost_drag", "Cost drag, a year", "percent"),
            ("mean_exposure", "Mean exposure", "percent"),
            ("largest_weight", "Largest weight held", "percent"),
        ),
    ),
)


def headline(result: BacktestResult, row: Mapping[str, Any]) -> str:
    """Return every headline number in three columns; standard errors stand beside their ratio."""
    values = numbers(result, row)
    columns = []
    for caption, names in _HEADLINE:
        lines = [(label, with_error(values, name, kind)) for name, label, kind in names]
        columns.append(f"<div>{pairs(lines, caption)}</div>")
    return f'<div class="columns">{"".join(columns)}</div>'


def cards(result: BacktestResult, row: Mapping[str, Any]) -> str:
    """Return the four numbers that come first."""
    values = numbers(result, row)
    chosen = (
        ("cagr", "percent", "CAGR", f"{shown(values['total_return'], 'percent')} in all"),
        ("sharpe", "ratio", "Sharpe, daily NAV", f"standard error {shown(values['sharpe_se'], 'ratio')}"),
        (
            "max_drawdown",
            "percent",
            "Largest drawdown",
            f"volatility {shown(values['volatility'], 'percent')}",
        ),
        ("win_rate", "percent", "Win rate", f"{shown(values['round_trips'], 'count')} round trips"),
    )
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><span>{text(label)}</span><b>{text(shown(values[name], kind))}</b>'
            f"<small>{text(below)}</small></div>"
            for name, kind, label, below in chosen
        )
        + "</div>"
    )


def numbers(result: BacktestResult, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics and NAV by name; what the stored row says wins over what is computed here."""
    done = result.simulation
    own = {"initial_nav": done.initial_nav, "final_nav": done.final_nav}
    own |= dataclasses.asdict(result.metrics)
    return own | {name: row[name] for name in own if name in row}


def with_error(values: Mapping[str, Any], name: str, kind: Kind) -> str:
    """Return a number, followed by its standard error where one is known."""
    error = values.get(f"{name}_se")
    number = shown(values[name], kind)
    return number if error is None else f"{number} ± {shown(error, kind)}"


def flags(result: BacktestResult) -> str:
    """Return what a reader must know, the loudest first."""
    lines = (
        f'<li class="{"loud" if flag.name in _LOUD else "quiet"}">{text(flag.text)}'
        f"<code>{text(flag.name)}</code></li>"
        for flag in result.flags
    )
    return f'<ul class="flags">{"".join(lines)}</ul>'


def settings(result: BacktestResult, row: Mapping[str, Any]) -> str:
    """Return parameters, rules, prices and identity: everything needed to run it again."""
    known = set(numbers(result, row)) | {"sharpe_se", "sharpe_h4_se", "sharpe_nw_se"}
    identity = [(name, value) for name, value in row.items() if name not in known]
    if "digest" not in row:
        identity.append(("digest", result.digest))
    rules = [(name, _flat(value)) for name, value in dataclasses.asdict(result.rules).items()]
    source = result.provenance
    prices = [
        (symbol, f"{source.adjustment.get(symbol, 'unknown')}, {source.vintage.get(symbol, 'unknown')}")
        for symbol in result.simulation.symbols
    ]
    parameters = [(name, _flat(value)) for name, value in result.parameters.items()]
    blocks = (
        pairs(parameters, f"Parameters of {result.strategy} {result.version}"),
        pairs(prices, f"Prices from {source.source}: adjustment, vintage"),
        pairs(rules, "Account rules"),
        pairs(identity, "Identity"),
    )
    return f'<div class="flow">{"".join(f"<div>{block}</div>" for block in blocks)}</div>'


def _flat(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value
