"""``bells backtest compare``: runs side by side, what is a tie, and the settings behind the differences."""

from __future__ import annotations

from dataclasses import asdict
from string import ascii_lowercase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError
from service.cli.backtest_tables import label, told, with_error
from service.cli.opening import open_for
from service.cli.output import Json, Set, emit, emit_rows, say, shown
from service.cli.stored_runs import (
    IDENTITY,
    METRICS,
    OfSource,
    OfStrategy,
    OfVersion,
    Since,
    Until,
    records,
    run_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.backtest.comparison import Curve, Pair
    from resources.desk import Desk

MOST = 6
"""Runs side by side, at most: more columns nobody reads."""
SAME = {
    "same_data": "data_hash",
    "same_config": "config_hash",
    "same_code": "code_version",
    "same_digest": "digest",
}


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN_ID]...", help="Two to six ids, their beginnings, or latest; none: by the options."
        ),
    ] = None,
    strategy: OfStrategy = None,
    source: OfSource = None,
    version: OfVersion = None,
    since: Since = None,
    until: Until = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Put runs side by side: numbers, differences to the first with their errors, settings that differ.

    Without ids the newest runs that fit the options are compared, the oldest of them first.
    """
    if runs:
        _require_several(len(runs))
    desk = open_for(assignments)
    if runs:
        found = [run_record(desk, run_id) for run_id in runs]
    else:
        fitting = {"strategy": strategy, "source": source, "version": version, "since": since, "until": until}
        found = records(desk, **fitting)[:MOST][::-1]
        _require_several(len(found))
    pairs = _pairs(desk, found)
    payload: dict[str, Any] = {
        "runs": [{name: record[name] for name in IDENTITY} for record in found],
        **{name: len({record[field] for record in found}) == 1 for name, field in SAME.items()},
        "metrics": {name: [record[name] for record in found] for name in METRICS},
        "against_first": [
            {"run_id": record["run_id"], **asdict(pair)}
            for record, pair in zip(found[1:], pairs, strict=True)
        ],
        "settings": _differing([record["config"] for record in found]),
        "careful": [*_unlike(found), *_in_plain(desk, found)],
    }
    if as_json:
        emit(payload, as_json=True)
    else:
        _tell(payload, found, pairs)


def _require_several(number: int) -> None:
    if not 2 <= number <= MOST:  # noqa: PLR2004 - a comparison takes two
        raise ConfigError(
            "a comparison takes two runs or more",
            field="RUN_ID",
            value=number,
            constraint=f"2 to {MOST} runs",
            fix="name them, or narrow the options; `bells backtest list` shows what is stored",
        )


def _pairs(desk: Desk, found: Sequence[Mapping[str, Any]]) -> list[Pair]:
    from pipeline.backtest.comparison import pair

    first, *others = (_curve(desk, record) for record in found)
    seed = desk.loaded.settings.system.controls.seed
    return [pair(first, other, seed=seed) for other in others]


def _curve(desk: Desk, record: Mapping[str, Any]) -> Curve:
    from pipeline.backtest.comparison import Curve
    from pipeline.optimization.luck.bootstrap import Trips

    stored = desk.warehouse.query("equity", run_id=record["run_id"])
    closed = record["round_trips"] or 0
    trips = Trips(round((record["win_rate"] or 0.0) * closed), closed)
    ts = stored["ts"].dt.replace_time_zone(None).to_numpy()
    return Curve(ts, stored["nav"].to_numpy(), trips)


def _tell(payload: Mapping[str, Any], found: Sequence[Mapping[str, Any]], pairs: Sequence[Pair]) -> None:
    letters = ascii_lowercase[: len(found)]
    emit_rows(
        "runs", [{"": name, **dict(zip(letters, (r[name] for r in found), strict=True))} for name in IDENTITY]
    )
    emit({name.replace("_", " "): payload[name] for name in SAME}, as_json=False)
    for warning in payload["careful"]:
        say(f"careful: {warning}")
    numbers = [
        {"number": label(name), **dict(zip(letters, (told(name, value) for value in values), strict=True))}
        for name, values in payload["metrics"].items()
    ]
    emit_rows("numbers", numbers)
    emit_rows(
        "differences on the days they share (± standard error; a tie is less than one)",
        [_row(f"{letter} - a", pair) for letter, pair in zip(letters[1:], pairs, strict=True)],
    )
    emit_rows(
        "settings that differ",
        [
            {"setting": key, **dict(zip(letters, values, strict=True))}
            for key, values in payload["settings"].items()
        ],
    )


def _row(name: str, pair: Pair) -> dict[str, object]:
    row: dict[str, object] = {"": name, "days": pair.days, "correlation": pair.correlation}
    for figure, difference in pair.differences.items():
        value, error = difference.value, difference.error
        if value is None or error is None:
            row[label(figure)] = shown(None)
        elif figure in {"cagr", "max_drawdown"}:
            row[label(figure)] = f"{100 * value:+.2f} ± {100 * error:.2f} %"
        else:
            row[label(figure)] = with_error(value, error)
        if difference.tie:
            row[label(figure)] = f"{row[label(figure)]}, a tie"
    return row


def _unlike(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what keeps the numbers of runs from being compared."""
    warnings = []
    made_up = [letter for letter, run in zip(ascii_lowercase, found, strict=False) if run["simulated"]]
    if 0 < len(made_up) < len(found):
        subject = f"run {made_up[0]} is" if len(made_up) == 1 else f"runs {', '.join(made_up)} are"
        rest = "the other is not" if len(found) - len(made_up) == 1 else "the others are not"
        warnings.append(f"{subject} on SIMULATED prices and {rest}")
    windows = {(run["start"], run["end"]): None for run in found}
    if len(windows) > 1:
        said = (f"{shown(start)} to {shown(end)}" for start, end in windows)
        warnings.append("the windows differ: " + " and ".join(said))
    return warnings


def _in_plain(desk: Desk, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say where ratios above are in excess of cash and the differences, which are of NAV alone, are not."""
    earning = [
        letter
        for letter, run in zip(ascii_lowercase, found, strict=False)
        if True in desk.warehouse.query("cash_earned", run_id=run["run_id"])["earned"].to_list()
    ]
    if not earning:
        return []
    whose = ", ".join(earning)
    return [f"cash earns interest in {whose}: differences of Sharpe ratios are of NAV, not in excess of cash"]


def _differing(configs: Sequence[object]) -> dict[str, list[object]]:
    """Return every setting that is not the same in all runs, by its dotted path, with its value in each."""
    leaves = [_leaves(config) for config in configs]
    keys = sorted(set().union(*leaves))
    values = {key: [each.get(key) for each in leaves] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found[1:])}


def _leaves(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        found: dict[str, object] = {}
        for key, item in value.items():
            found |= _leaves(item, f"{path}.{key}" if path else str(key))
        return found
    return {path: value} if path else {}
