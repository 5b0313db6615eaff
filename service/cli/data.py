"""``bells data``: update, validate, status, restated and export of market history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated, Any

import typer

from pipeline.errors import ConfigError, DataError
from service.cli.opening import open_for, window_of
from service.cli.output import AllowStale, Json, Set, Source, counted, emit, emit_rows

app = typer.Typer(help="Market history: update, validate, status, export.")

Start = Annotated[str | None, typer.Option("--start", metavar="DATE", help="First label, UTC.")]
End = Annotated[str | None, typer.Option("--end", metavar="DATE", help="End of the window, exclusive, UTC.")]
MOST_SHOWN = 40
"""Rows of one table that people are shown; JSON always has all."""


@app.command()
def update(
    start: Start = None,
    end: End = None,
    symbols: Annotated[
        str | None, typer.Option("--symbols", metavar="A,B", help="Bars of these symbols only.")
    ] = None,
    allow_stale: AllowStale = False,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Fetch what the source has, set bad rows aside, and store what is new; no Dagster run."""
    from service.cli.updating import update_all

    first, last = window_of(start, end)
    desk = open_for(assignments, source, writes=True, checks__allow_stale=allow_stale or None)
    done = update_all(desk, first, last, symbols=_names(symbols))
    payload: dict[str, Any] = {
        "ok": not done.failures,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        **asdict(done),
    }
    if as_json:
        emit(payload, as_json=True)
    else:
        emit(payload, as_json=False)
        emit_rows("tables", done.tables)
        emit_rows("gaps", done.gaps, MOST_SHOWN)
        if done.notices:
            emit_rows("notices", done.notices)
        if done.findings:
            emit_rows("findings", [_with_instants(finding) for finding in done.findings], MOST_SHOWN)
        if done.failures:
            emit_rows("could not be had", done.failures)
    return DataError.exit_code if done.failures else 0


@app.command()
def validate(
    feed: Annotated[str | None, typer.Option("--feed", help="By default the configured source.")] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> int:
    """Judge the stored rows again by every rule, calendar and the earliest honest known_at; 2 on errors."""
    from service.cli.chain_rows import revalidated_chain
    from service.cli.series import revalidate
    from warehouse.tables import OHLCV_DAILY, OHLCV_H4

    desk = open_for(assignments, source)
    name = feed or desk.market.feed
    findings: list[dict[str, Any]] = []
    rows: dict[str, int] = {}
    for timeframe, table in (("h4", OHLCV_H4), ("daily", OHLCV_DAILY)):
        rows[table.full_name], found = revalidate(desk, name, timeframe)
        findings += found
        twice = desk.warehouse.duplicates(table)
        if twice:
            findings.append(
                {
                    "dataset": table.full_name,
                    "rule": "duplicate_key",
                    "severity": "error",
                    "symbol": None,
                    "ts": None,
                    "last": None,
                    "count": twice,
                    "reason": f"{counted(twice, 'version is', 'versions are')} stored twice",
                }
            )
    for table_name, count, found in revalidated_chain(desk, name):
        rows[table_name] = count
        findings += found
    if not any(rows.values()):
        raise DataError(
            f"no bars of the feed {name} are stored",
            field="--feed",
            value=name,
            constraint="at least one bar",
            fix=f"run `bells data update --source {name}` first",
        )
    counts = {level: sum(f["severity"] == level for f in findings) for level in ("error", "warn", "info")}
    payload = {"ok": not counts["error"], "feed": name, "rows": rows, **counts, "findings": findings}
    if as_json:
        emit(payload, as_json=True)
    else:
        emit({"ok": payload["ok"], "feed": name, **rows, **counts}, as_json=False)
        emit_rows("findings", [_with_instants(finding) for finding in findings], MOST_SHOWN)
    return DataError.exit_code if counts["error"] else 0


@app.command()
def status(
    feed: Annotated[str | None, typer.Option("--feed", help="Only this feed; by default all.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Show what is stored by kind, the series that lack something, gaps and quarantined rows."""
    from service.cli.chain_rows import stored_chain
    from service.cli.series import coverage

    desk = open_for(assignments)
    records, gaps = coverage(desk, feed)
    chain = stored_chain(desk, feed)
    aside = desk.warehouse.query("quarantined", feed=feed).to_dicts()
    if as_json:
        emit(
            {
                "ok": True,
                "warehouse": desk.warehouse.path,
                "series": records,
                "gaps": gaps,
                "quarantine": aside,
                "chain": chain,
            },
            as_json=True,
        )
        return
    from service.cli.status_tables import by_kind, worst

    emit_rows(f"kinds of series in {desk.warehouse.path}", by_kind(records))
    emit_rows(*worst(records, MOST_SHOWN))
    if gaps:
        longest = sorted(gaps, key=lambda gap: -gap["missing"])[:MOST_SHOWN]
        emit_rows("gaps" if len(gaps) <= MOST_SHOWN else f"longest of {len(gaps)} gaps", longest)
    if aside:
        emit_rows("quarantine", aside, MOST_SHOWN)
    if chain:
        emit_rows("chain", chain, MOST_SHOWN)


@app.command()
def restated(
    feed: Annotated[str | None, typer.Option("--feed", help="By default the configured source.")] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Show how much later versions changed each series; unknown where only the latest revision exists."""
    from assets.market.restatement import restated_series

    desk = open_for(assignments, source)
    name = feed or desk.market.feed
    rows = restated_series(desk.warehouse, name).to_dicts()
    if as_json:
        emit({"ok": True, "feed": name, "series": rows}, as_json=True)
    else:
        emit_rows(f"restated in {name}", rows)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write into.")],
    kind: Annotated[str, typer.Option("--format", help="parquet")] = "parquet",
    feed: Annotated[str | None, typer.Option("--feed", help="By default the configured source.")] = None,
    source: Source = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Write one Parquet file per symbol and timeframe that the files source reads back unchanged."""
    if kind != "parquet":
        raise ConfigError(
            "there is no such format",
            field="--format",
            value=kind,
            constraint="parquet",
            fix="write --format parquet",
        )
    target = to.absolute()
    if target.exists() and not target.is_dir():
        raise ConfigError(
            "the target is a file",
            field="--to",
            value=str(target),
            constraint="a folder, or a path where one can be made",
            fix="name a folder",
        )
    desk = open_for(assignments, source)
    name = feed or desk.market.feed
    files = desk.warehouse.export(target, feed=name, format="parquet")
    sizes = {str(path.relative_to(target)): path.stat().st_size for path in files}
    payload = {
        "ok": True,
        "feed": name,
        "folder": target,
        "mapping": files[-1],
        "files": sizes,
        "bytes": sum(sizes.values()),
    }
    emit(payload, as_json=as_json)
    if not as_json:
        emit_rows("files", [{"file": file, "bytes": size} for file, size in sizes.items()])


def _with_instants(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a finding whose ISO times are instants again, so that they look like those of ``status``."""
    times = {
        name: datetime.fromisoformat(finding[name]) if isinstance(finding[name], str) else finding[name]
        for name in ("ts", "last")
    }
    return finding | times


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ConfigError(
            "no symbol is named",
            field="--symbols",
            value=text,
            constraint="symbols separated by commas",
            fix="write --symbols SPY,BTC/USD, or leave it out for all",
        )
    return names
