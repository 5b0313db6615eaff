"""The parts of a search's report as HTML: cards, luck, guards, best member, folds; `report` has the order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline.backtest.report_page import UNKNOWN, Kind, pairs, shown, table, text
from pipeline.optimization.reading import readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NUMBERS: tuple[tuple[str, str, Kind], ...] = (
    ("bps", "Balanced score", "ratio"),
    ("sharpe", "Sharpe", "ratio"),
    ("cagr", "CAGR", "percent"),
    ("max_drawdown", "Largest drawdown", "percent"),
    ("win_rate", "Win rate", "percent"),
    ("turnover", "Turnover", "ratio"),
)


def banner(record: Mapping[str, Any]) -> str:
    """Return the warning above everything where prices are made up."""
    if not record["simulated"]:
        return ""
    return f'<div class="simulated">SIMULATED: the prices of feed {text(record["source"])} are made up</div>'


def top(record: Mapping[str, Any]) -> str:
    """Return title and one line: method, strategy, window."""
    window = f"{record['start']:%Y-%m-%d} to {record['end']:%Y-%m-%d}"
    lead = (
        f"{record['method']} search over {record['strategy']} {record['strategy_version']},"
        f" {record['source']}, {window}. {record['settings']['description']}"
    )
    return f'<h1>{text(record["experiment"])}</h1><p class="lead">{text(lead)}</p>'


def cards(record: Mapping[str, Any]) -> str:
    """Return the verdict and the numbers behind it."""
    best, evidence = record["best"], record["evidence"]["deflated_sharpe"]
    least = evidence["min_detectable"]
    seen = "no effect would have been seen" if least is None else f"sees Sharpe {least:.2f} and more"
    chosen = (
        ("Verdict", record["verdict"], seen),
        ("Deflated Sharpe", _plain(best["deflated_sharpe"]), "skill from 0.95 on"),
        ("Reality Check p", _plain(best["reality_check_p"]), f"SPA {_plain(best['spa_p'])}"),
        ("Overfitting (PBO)", _plain(record["pbo"]), "0.5 is noise"),
        ("Trials counted", f"{record['trials']:,}", f"{record['members']:,} of this search"),
        ("Walk-forward Sharpe", _plain(record["walk_forward_sharpe"]), f"in sample {_plain(best['sharpe'])}"),
    )
    inside = "".join(
        f'<div class="card"><span>{text(name)}</span><b>{text(value)}</b><small>{text(why)}</small></div>'
        for name, value, why in chosen
    )
    return f'<div class="cards">{inside}</div>'


def readings_of(record: Mapping[str, Any]) -> str:
    """Return what the luck statistics mean, in words."""
    rows = [(each.name, each.value, each.means) for each in readings(record)]
    return table(("", "Value", "What it means"), rows, words=3)


def luck(record: Mapping[str, Any]) -> str:
    """Return every luck statistic."""
    evidence = record["evidence"]
    deflated, raw, check = (
        evidence["deflated_sharpe"],
        evidence["deflated_sharpe_raw"],
        evidence["reality_check"],
    )
    overfit = evidence["pbo"]
    left = [
        ("Deflated Sharpe, in excess of buy-and-hold", _plain(deflated["value"])),
        ("The same on plain returns", _plain(raw["value"])),
        ("Without deflation (PSR)", _plain(deflated["psr"])),
        ("Sharpe in excess", _plain(deflated["sharpe"])),
        ("Expected best of N without skill", _plain(deflated["threshold"])),
        ("Trials that its spread is taken over", _count(deflated["distinct"])),
        ("Sharpe at which 0.95 is reached", _plain(deflated["needed"])),
        ("True Sharpe seen with 80 % power", _plain(deflated["min_detectable"])),
        ("Why there is no value", deflated["reason"]),
    ]
    right = [
        ("White's Reality Check p", _plain(check["p_white"])),
        ("Hansen's SPA p", _plain(check["p_spa"])),
        ("Trials tested, days", f"{check['n_trials']:,}, {check['n_days']:,}"),
        ("Probability of backtest overfitting", _plain(overfit["value"])),
        ("Slope from choosing to judging", _plain(overfit["degradation"])),
        ("Splits whose choice loses", shown(overfit["loss"], "percent")),
        ("N, distinct trials of the family", f"{record['trials']:,}"),
        ("Independent trials they amount to", _plain(evidence["effective_trials"])),
        ("Members within one standard error of the best", _count(evidence["tied"])),
    ]
    return f'<div class="columns"><div>{pairs(left)}</div><div>{pairs(right)}</div></div>'


def guards(record: Mapping[str, Any]) -> str:
    """Return the guard rails, those that do not hold aloud."""
    rows = "".join(
        f"<li{'' if guard['held'] is not False else ' class=loud'}>{text(guard['text'])}"
        f"<code>{text(guard['name'])}</code></li>"
        for guard in sorted(record["guards"], key=lambda guard: guard["held"] is not False)
    )
    return f'<ul class="flags">{rows}</ul>'


def best(record: Mapping[str, Any]) -> str:
    """Return parameters, numbers with their intervals, and buy-and-hold beside them."""
    member, held = record["best"], record["evidence"]["buy_and_hold"]
    intervals = record["evidence"]["intervals"]
    rows = []
    for name, said, kind in _NUMBERS:
        around = intervals.get(name)
        low, high = (None, None) if around is None else (around["low"], around["high"])
        between = UNKNOWN if low is None else f"{shown(low, kind)} to {shown(high, kind)}"
        rows.append((said, shown(member[name], kind), between, shown(held.get(name), kind)))
    chosen = [(name, value) for name, value in member["params"].items()]
    return (
        f'<div class="columns"><div>{pairs(chosen, "Parameters")}</div><div>'
        + table(("", "Best", "90 % interval", "Buy and hold"), rows)
        + "</div></div>"
    )


def out_of_sample(record: Mapping[str, Any]) -> str:
    """Return the walk-forward account and the spread of cross-validation paths."""
    walked, paths = record["evidence"]["walk_forward"], record["evidence"]["cross_validation"]["paths"]
    known = sorted(value for value in paths if value is not None)
    rows = (
        []
        if walked is None
        else [(said, shown(walked.get(n), kind)) for n, said, kind in _NUMBERS if n in walked]
    )
    spread = [
        ("Paths", f"{len(known):,}"),
        ("Worst, median, best Sharpe", ", ".join(_plain(v) for v in _three(known)) or UNKNOWN),
    ]
    return (
        f'<div class="columns"><div>{pairs(rows, "Walk-forward account")}</div>'
        f"<div>{pairs(spread, 'Combinatorial purged cross-validation')}</div></div>"
    )


def stability(record: Mapping[str, Any]) -> str:
    """Return what the stability map says of the best point."""
    found = record["evidence"]["stability"]
    rows = [
        ("Share of members on the best one's plateau", shown(found["plateau_share"], "percent")),
        ("Neighbours of the best", _count(found["neighbours_of_best"])),
        ("Mean score of the best and its neighbours", _plain(found["mean_of_neighbours"])),
        ("Parameters that vary", ", ".join(found["axes"])),
    ]
    visited = [
        (f"Visited of {name}", shown(v, "percent")) for name, v in record["evidence"]["coverage"].items()
    ]
    return pairs([*rows, *visited])


def members(top_members: Sequence[Mapping[str, Any]]) -> str:
    """Return the best members."""
    if not top_members:
        return ""
    kinds: dict[str, Kind] = {name: kind for name, _, kind in _NUMBERS}
    said = {name: words for name, words, _ in _NUMBERS}
    head = [said.get(name, name.replace("_", " ")) for name in top_members[0]]
    rows = [
        [shown(value, kinds[name]) if name in kinds else value for name, value in member.items()]
        for member in top_members
    ]
    return table(head, rows, words=0)


def folds(judged: Sequence[Mapping[str, Any]]) -> str:
    """Return what each window or split chose and how that did."""
    rows = [
        (
            f"{fold['test_start']:%Y-%m-%d}",
            f"{fold['test_end']:%Y-%m-%d}",
            _params(fold["params_json"]),
            _plain(fold["in_sample"]),
            _plain(fold["out_of_sample"]),
        )
        for fold in judged
    ]
    return table(("Judged from", "to", "Chosen", "In sample", "Out of sample"), rows, words=3)


def identity(record: Mapping[str, Any]) -> str:
    """Return hashes, and the experiment file."""
    names = ("experiment_id", "digest", "search_hash", "data_hash", "config_hash", "code_version")
    rows = [(name.replace("_", " "), record[name]) for name in names]
    settings = {name: value for name, value in record["settings"].items() if value not in (None, {}, [])}
    blocks = [(name, json.dumps(value)) for name, value in settings.items()]
    return pairs(rows) + pairs(blocks, "Experiment file")


def _params(told: str | None) -> str:
    if told is None:
        return UNKNOWN
    return ", ".join(f"{name} {value}" for name, value in json.loads(told).items())


def _three(ordered: Sequence[float]) -> list[float]:
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]] if ordered else []


def _plain(value: float | None) -> str:
    return shown(value, "ratio")


def _count(value: int | None) -> str:
    return shown(value, "count")
