"""How people read a backtest: window, universe, numbers with their errors, flags in words.

Rounded for the eye; ``--json`` has every digit.  Nothing here reads the warehouse.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.cli.output import emit, emit_rows, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FRACTIONS = (
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "win_rate",
    "cost_drag",
    "percentile_single",
    "percentile_best",
)
LABELS = {"trades": "fills", "bps": "balanced score (bps)", "round_trips": "closed round trips"}
"""Where the name of a number misleads: trades are fills, and bps is a score, not basis points."""
HEADLINE = ("cagr", "volatility", "max_drawdown", "win_rate", "round_trips", "bps", "turnover", "trades")


def emit_backtest(title: str, record: Mapping[str, Any]) -> None:
    """Print the headline of a run, then its flags.

    Parameters
    ----------
    title
        Of the first table.
    record
        A run as ``backtest show --json`` has it; ``flags`` as `flags_of_record` returns them.
    """
    final, initial = (told(name, record[name]) for name in ("final_nav", "initial_nav"))
    numbers = {
        "strategy": record["strategy"],
        "universe": universe_of(record["family"]),
        "start": record["start"],
        "end": record["end"],
        "sharpe": with_error(record["sharpe"], record["sharpe_se"]),
        **{label(name): told(name, record[name]) for name in HEADLINE},
        "final NAV": f"{final} of {initial}",
    }
    emit_rows(title, [{"": name, "value": value} for name, value in numbers.items()])
    emit_rows("flags", [{"flag": flag["name"], "what": flag["text"]} for flag in record["flags"]])


def emit_where(record: Mapping[str, Any]) -> None:
    """Print which run it is and where its files are."""
    names = ("run_id", "digest", "data_hash", "config_hash", "code_version")
    report = f"{record['folder']}/report.html"
    emit({**{name: record[name] for name in names}, "report": report}, as_json=False)


def flags_of_record(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the flags of a stored run with their sentences, which its folder keeps.

    Without the folder a flag's sentence is its name and value.
    """
    flags: Mapping[str, Any] = record["flags"] or {}
    meta = Path(record["folder"]) / "run_meta.json"
    kept = json.loads(meta.read_text(encoding="utf-8"))["flags"] if meta.is_file() else []
    texts = {flag["name"]: flag["text"] for flag in kept}
    return [
        {"name": name, "value": value, "text": texts.get(name, f"{name}: {shown(value)}")}
        for name, value in flags.items()
    ]


def universe_of(family: str) -> str:
    """Return the symbols of a family ``strategy[A,B]``, parted by commas."""
    return ", ".join(family.partition("[")[2].removesuffix("]").split(","))


def label(name: str) -> str:
    """Return what people call a number."""
    return LABELS.get(name, name.replace("_", " "))


def told(name: str, value: object) -> str:
    """Return a number of a run for people: fractions as percent, money with thousands."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return shown(value)
    if name in FRACTIONS:
        return percent(value)
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def percent(fraction: float) -> str:
    """Return a fraction as percent with three digits or so."""
    value = 100.0 * fraction
    digits = next((d for d, least in ((0, 100.0), (1, 10.0)) if abs(value) >= least), 2)
    return f"{value:,.{digits}f} %"


def with_error(value: float | None, error: float | None) -> str:
    """Return ``0.24 ± 0.44``; an unknown error is left out."""
    if value is None:
        return shown(None)
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


_CONTROLS = (
    *(
        (name, measure)
        for name in ("costs_x2", "late", "hold")
        for measure in ("total_return", "sharpe", "max_drawdown")
    ),
    ("break_even", "extra_bps"),
    ("break_even_hold", "extra_bps"),
    ("capacity", "nav"),
    *(("random", measure) for measure in ("runs", "trials", "percentile_single", "percentile_best")),
)


_STRESS = {
    ("gap", "loss"): "stress: largest loss in a gap of all assets",
    ("correlation", "max_drawdown"): "stress: largest fall with all correlations high",
    ("correlation", "volatility_factor"): "stress: volatility then, times its own",
}
_PARTED = {
    "equity": "equity regime",
    "vol": "volatility regime",
    "crypto": "crypto regime",
    "macro": "macro regime",
    "season": "session of New York",
}


def told_answers(answers: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> list[dict[str, str]]:
    """Return what a run answered beside its numbers, a line each; regimes and seasons are `told_parts`."""
    if not answers:
        return []
    controls = answers["control"]
    lines = [
        (f"{label(name)}: {label(measure)}", told(measure, controls[name][measure]))
        for name, measure in _CONTROLS
    ]
    for name, found in answers["interval"].items():
        low, high = (told(name, found[end]) for end in ("low", "high"))
        lines.append((f"{label(name)}: 90 % interval", f"{low} to {high}"))
    for (name, measure), title in _STRESS.items():
        value = answers.get("stress", {}).get(name, {}).get(measure)
        kind = "max_drawdown" if measure in {"loss", "max_drawdown"} else measure
        lines.append((title, told(kind, value)))
    for name, found in answers.get("crisis", {}).items():
        own, held = (told("total_return", found[measure]) for measure in ("total_return", "hold_return"))
        lines.append((f"{label(name)}: return (holding)", f"{own} ({held})"))
    return [{"": name, "value": value} for name, value in lines]


def told_parts(answers: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> list[dict[str, str]]:
    """Return the run under each label of each regime, and in both seasons, a line each."""
    return [
        {
            "": title,
            "label": label(name),
            "of days": told("total_return", found["share"]),
            "return": told("total_return", found["total_return"]),
            "sharpe": with_error(found["sharpe"], found["sharpe_se"]),
            "max drawdown": told("max_drawdown", found["max_drawdown"]),
            "exposure": told("total_return", found["mean_exposure"]),
            "holding": told("total_return", found["hold_return"]),
        }
        for topic, title in _PARTED.items()
        for name, found in answers.get(topic, {}).items()
    ]


def told_members(members: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the strategies of a book, a line each; every percentage is of the book's NAV."""
    return [
        {
            "strategy": member["strategy"],
            "version": member["strategy_version"],
            "budget": percent(member["budget"]),
            "mean share": percent(member["mean_share"]),
            "profit": told("pnl", member["pnl"]),
            "contribution": percent(member["contribution"]),
            "sharpe": with_error(member["sharpe"], member["sharpe_se"]),
            "max drawdown": percent(member["max_drawdown"]),
            "turnover": told("turnover", member["turnover"]),
        }
        for member in members
    ]
