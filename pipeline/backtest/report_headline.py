"""What a report says first and last: headline numbers and flags, settings and hashes.

What happened in between is in `report_tables`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.backtest.report_page import Kind, note, pairs, shown, table, text
from pipeline.pictures import hundredths

if TYPE_CHECKING:
    from pipeline.backtest.result import BacktestResult
    from pipeline.optimization.luck.bootstrap import Intervals

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


def headline(result: BacktestResult, row: Mapping[str, Any], intervals: Intervals | None = None) -> str:
    """Return every headline number in three columns; standard errors stand beside their ratio."""
    values = numbers(result, row)
    columns = []
    for caption, names in _HEADLINE:
        lines = [(label, with_error(values, name, kind)) for name, label, kind in names]
        columns.append(f"<div>{pairs(lines, caption)}</div>")
    below = "" if intervals is None else _intervals(values, intervals)
    return f'<div class="columns">{"".join(columns)}</div>{below}'


def _intervals(values: Mapping[str, Any], intervals: Intervals) -> str:
    if intervals.reason is not None:
        return note(f"No intervals: {intervals.reason}.")
    known = {name: (label, kind) for _, names in _HEADLINE for name, label, kind in names}
    rows = []
    for name in ("sharpe", "cagr", "max_drawdown", "bps"):
        label, kind = known[name]
        found = getattr(intervals, name)
        rows.append(
            (label, *(shown(each, kind) for each in (values[name], found.low, found.high, found.error)))
        )
    head = (f"{hundredths(intervals.level, 0)} % interval", "Value", "From", "To", "Standard error")
    return table(head, rows) + note(
        f"From {intervals.draws:,} resamplings of the {intervals.n:,} daily returns in blocks; that of the "
        "drawdown is what paths of such days show."
    )


def cards(result: BacktestResult, row: Mapping[str, Any], intervals: Intervals | None = None) -> str:
    """Return the four numbers that come first."""
    values = numbers(result, row)

    def told(name: str, kind: Kind, otherwise: str) -> str:
        found = getattr(intervals, name, None)
        if intervals is None or found is None or found.low is None:
            return otherwise
        return f"{hundredths(intervals.level, 0)} %: {shown(found.low, kind)} to {shown(found.high, kind)}"

    chosen: tuple[tuple[str, Kind, str, str], ...] = (
        (
            "cagr",
            "percent",
            "CAGR",
            told("cagr", "percent", f"{shown(values['total_return'], 'percent')} in all"),
        ),
        (
            "sharpe",
            "ratio",
            "Sharpe, daily NAV",
            told("sharpe", "ratio", f"standard error {shown(values['sharpe_se'], 'ratio')}"),
        ),
        (
            "max_drawdown",
            "percent",
            "Largest drawdown",
            told("max_drawdown", "percent", f"volatility {shown(values['volatility'], 'percent')}"),
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
    rules = _leaves(dataclasses.asdict(result.rules))
    source = result.provenance
    prices = [
        (symbol, f"{source.adjustment.get(symbol, 'unknown')}, {source.vintage.get(symbol, 'unknown')}")
        for symbol in result.simulation.symbols
    ]
    parameters = _leaves(result.parameters)
    blocks = (
        pairs(parameters, f"Parameters of {result.strategy} {result.version}"),
        pairs(prices, f"Prices from {source.source}: adjustment, vintage"),
        pairs(rules, "Account rules"),
        pairs(_identity(result, row), "Identity"),
    )
    return f'<div class="flow">{"".join(f"<div>{block}</div>" for block in blocks)}</div>'


_IDENTITY = {
    "run_id": "Run",
    "kind": "Why it was run",
    "family": "Family of trials",
    "started_at": "Started, UTC",
    "seconds": "Took, seconds",
    "bars": "Decisions",
    "restatement": "Restatement",
    "digest": "Digest of the series",
    "data_hash": "Hash of the data",
    "config_hash": "Hash of the settings",
    "code_version": "Version of the code",
}
"""What a stored row says beside numbers; what the page's head says is not said again."""
_SAID = frozenset({"strategy", "strategy_version", "source", "simulated", "start", "end"})


def _identity(result: BacktestResult, row: Mapping[str, Any]) -> list[tuple[str, object]]:
    known = set(numbers(result, row)) | {"sharpe_se", "sharpe_h4_se", "sharpe_nw_se"} | _SAID
    told = {"digest": result.digest} | {name: value for name, value in row.items() if name not in known}
    ordered = [name for name in _IDENTITY if name in told]
    ordered += [name for name in told if name not in _IDENTITY]
    lines: list[tuple[str, object]] = []
    for name in ordered:
        label, value = _IDENTITY.get(name, name.replace("_", " ")), told[name]
        if isinstance(value, Mapping):
            lines += [
                (str(key).replace("_", " ").capitalize(), _readable(part)) for key, part in value.items()
            ]
        else:
            lines.append((label, _readable(value)))
    return lines


def _readable(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return shown(value, "ratio") if isinstance(value, float) else value


def _leaves(values: Mapping[str, Any], path: str = "") -> list[tuple[str, object]]:
    """Return every value below its dotted path; words for truths, lists as they are written in settings."""
    lines: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _leaves(value, f"{path}{name}.")
        else:
            lines.append((f"{path}{name}", _as_set(value)))
    return lines


def _as_set(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, list | tuple) else value
