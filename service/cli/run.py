"""``bells run``: the whole graph in this process, against the Dagster instance that the UI shows."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BellsError, ConfigError
from service.cli.opening import instant, open_for
from service.cli.output import AllowStale, Json, Set, Source, emit, explain, say
from service.cli.run_tables import show

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from typing import TextIO

    from resources.desk import Desk
    from service.cli.progress import Step

HEADLINE = (
    "run_id", "strategy", "family", "start", "end", "sharpe", "sharpe_se", "cagr", "volatility",
    "max_drawdown", "win_rate", "round_trips", "bps", "trades", "turnover", "initial_nav", "final_nav",
    "digest", "data_hash", "config_hash", "code_version", "simulated", "folder",
)  # fmt: skip
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own console log is off: its event log has every line, and the UI shows it."""


def run(
    source: Source = None,
    from_month: Annotated[
        str | None,
        typer.Option("--from", metavar="MONTH", help="First month to materialise; by default all history."),
    ] = None,
    allow_stale: AllowStale = False,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Materialise everything: bars, features, a backtest, its report; the run shows in the Dagster UI."""
    desk = open_for(assignments, source, writes=True, checks__allow_stale=allow_stale or None)
    began_at = desk.clock.now()
    # The newest label there can be: a source that has ended has no rows in the months since.
    newest = min(began_at, desk.market.history.until(began_at) - timedelta(microseconds=1))
    start = _first_month(desk, from_month, newest)
    started = desk.clock.monotonic()
    steps, run_id, wanted = _materialise(desk, start, newest)
    made = {name for step in steps for name in step.assets}
    failure = _failure(steps)
    answer: dict[str, Any] = {
        "ok": failure is None,
        "dagster_run_id": run_id,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "from": f"{start:%Y-%m}",
        "to": f"{newest:%Y-%m}",
        "window": _window(desk) if desk.warehouse.path.exists() else None,
        "assets": {name: _asset(step, name) for step in steps for name in step.assets or [step.name]},
        "not_made": sorted(wanted - made),
        "checks": [c for step in steps for c in step.checks if c["verdict"] != "passed"],
        "gaps": _gaps(desk) if desk.warehouse.path.exists() else [],
        "quarantine": _quarantine(desk) if desk.warehouse.path.exists() else [],
        "backtest": _newest_backtest(desk, began_at) if desk.warehouse.path.exists() else None,
        "warehouse": str(desk.warehouse.path),
        "dagster_home": str(desk.home.dagster),
        "seconds": round(desk.clock.monotonic() - started, 2),
    }
    if failure is not None:
        answer |= {**failure.to_dict(), "error": type(failure).__name__}
    if as_json:
        emit(answer, as_json=True)
    else:
        show(answer)
    _log(desk, answer)
    if failure is None:
        return 0
    explain(failure)
    return failure.exit_code


def _first_month(desk: Desk, text: str | None, newest: datetime) -> datetime:
    from assets.partitions import axis_start

    first = axis_start(desk.market, desk.loaded)
    chosen = instant("--from", text)
    if chosen is None:
        return first
    if not first.replace(day=1, hour=0) <= chosen <= newest:
        raise ConfigError(
            "the source has no such month",
            field="--from",
            value=text,
            constraint=f"{first:%Y-%m} to {newest:%Y-%m}",
            fix=f"choose a month from {first:%Y-%m} on, or leave --from out",
        )
    return max(first, chosen)


def _materialise(desk: Desk, start: datetime, end: datetime) -> tuple[list[Step], str, set[str]]:
    """Run the job ``main`` from ``start`` to ``end``; return its steps, its id, and the assets wanted."""
    say("loading the graph")
    os.environ["DAGSTER_HOME"] = str(desk.home.dagster)
    from uuid import uuid4

    from dagster import DagsterExecutionInterruptedError, DagsterInstance

    from assets.partitions import month_range
    from service.cli.dead_runs import PROCESS_TAG, end_dead_runs, this_process
    from service.cli.progress import Progress

    with warnings.catch_warnings():
        # Dagster warns of parameters that may change in a later release; ours is pinned and tested.
        warnings.filterwarnings("ignore", module="dagster")
        from definitions import build_definitions

        job = build_definitions(desk=desk).resolve_job_def("main")
    run_id = str(uuid4())
    with (
        DagsterInstance.get() as instance,
        _terminal() as stream,
        Progress(desk.clock.monotonic, stream) as progress,
    ):
        for dead in end_dead_runs(instance):
            say(f"run {dead} ended without a word: its process is gone")
        instance.add_event_listener(run_id, progress)
        with _only_answers_on_stdout():
            try:
                job.execute_in_process(
                    run_config=QUIET,
                    instance=instance,
                    tags={**month_range(start, end), "cause": "bells run", PROCESS_TAG: this_process()},
                    raise_on_error=False,
                    run_id=run_id,
                )
            except DagsterExecutionInterruptedError as stopped:
                raise KeyboardInterrupt from stopped
    if progress.interrupted:
        raise KeyboardInterrupt
    wanted = {"/".join(key.path) for key in job.asset_layer.selected_asset_keys}
    return list(progress.steps.values()), run_id, wanted


@contextmanager
def _terminal() -> Generator[TextIO]:
    """Yield a stderr of our own: Dagster redirects the process's while a step runs."""
    try:
        copy = os.dup(sys.stderr.fileno())
    except OSError:  # stderr is no file, as under a test runner
        with nullcontext(sys.stderr) as stream:
            yield stream
        return
    with os.fdopen(copy, "w", buffering=1, encoding=sys.stderr.encoding, errors="replace") as stream:
        yield stream


@contextmanager
def _only_answers_on_stdout() -> Generator[None]:
    """Send whatever a step prints to stderr, so that stdout holds one JSON object and nothing else."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _failure(steps: list[Step]) -> BellsError | None:
    from service.cli.failures import failure_of

    for step in steps:
        if step.error is not None:
            return failure_of(step.error, step.name)
    unfinished = [step.name for step in steps if step.seconds is None]
    if unfinished or not steps:
        return BellsError(
            "the run did not finish",
            field=", ".join(unfinished) or None,
            fix="look at the run in the Dagster UI",
        )
    return None


def _asset(step: Step, name: str) -> dict[str, Any]:
    """Return the record of an asset; its seconds are those of its step, which may make several assets."""
    facts = step.assets.get(name, {})
    counts = {
        count: None if facts.get(count) is None else int(facts[count])
        for count in ("inserted", "revised", "unchanged", "quarantined")
    }
    return {
        "rows": step.rows(name),
        **counts,
        "seconds": None if step.seconds is None else round(step.seconds, 3),
        **{verdict: step.count(verdict, name) for verdict in ("passed", "warned", "failed")},
    }


def _gaps(desk: Desk) -> list[dict[str, Any]]:
    from assets.market.ingest import BAR_TABLES
    from service.cli.series import stored_gaps

    feed = desk.market.feed
    return [gap for timeframe in BAR_TABLES for gap in stored_gaps(desk, feed, timeframe)]


def _window(desk: Desk) -> dict[str, datetime] | None:
    """Return the labels of the feed's first and last stored bar; None where none is stored."""
    stored = desk.warehouse.query("coverage", feed=desk.market.feed)
    bars = [row for row in stored.iter_rows(named=True) if row["timeframe"] != "macro"]
    if not bars:
        return None
    return {"first": min(row["first"] for row in bars), "last": max(row["last"] for row in bars)}


def _quarantine(desk: Desk) -> list[dict[str, Any]]:
    stored = desk.warehouse.query("quarantined", feed=desk.market.feed)
    facts = ("symbol", "dataset", "rule", "severity", "rows", "first", "last")
    return [{name: row[name] for name in facts} for row in stored.iter_rows(named=True)]


def _newest_backtest(desk: Desk, since: datetime) -> dict[str, Any] | None:
    from service.cli.backtest import run_record
    from service.cli.backtest_tables import flags_of_record

    stored = desk.warehouse.query("runs", source=desk.market.feed)
    if not stored.height or stored["known_at"].to_list()[0] < since:
        return None
    record = run_record(desk, stored["run_id"].to_list()[0])
    return {**{name: record[name] for name in HEADLINE}, "flags": flags_of_record(record)}


def _log(desk: Desk, answer: dict[str, Any]) -> None:
    log = desk.logs.stream("performance", component="bells.run")
    log.info("materialised", **{name: answer[name] for name in ("ok", "dagster_run_id", "source", "seconds")})
