"""What the rows of one symbol say together: a slipped time zone, nothing that is left, too little, no order.

One row in quarantine is one bad row; when most of a session, or of a file, is there, the source is wrong.
"""

import polars as pl

from pipeline.market.findings import Finding, Severity

BLANK_SHARE = 0.01
"""Part of a symbol's rows that may lack a price or a time before that is worth a warning."""
SLIPPED_SHARE = 0.05
"""Part of a symbol's rows outside every session from which the clock of the source is in doubt.  VIX, which
is published on some holidays, has 0.07 %."""
SLIPPED_ROWS = 5
LACKING_SHARE = 0.20
"""Part of the four-hour bars that a slip leaves incomplete or missing: it empties one end of every session.
Rows from before and after the session (extended hours) leave the session itself whole."""
BLANK = ("not_finite", "missing_value")
WHOLE_RULES = ("zone_slip", "nothing_left", "blank_share")


def whole_findings(
    clean: pl.DataFrame, quarantined: pl.DataFrame, gaps: pl.DataFrame, timeframe: str
) -> list[Finding]:
    """Return what quarantine says about whole symbols.

    Parameters
    ----------
    clean
        Rows of `BAR_SCHEMA` that are left.
    quarantined
        Rows of `QUARANTINE_SCHEMA`, those set aside before bars were made included.
    gaps
        Rows of `GAP_SCHEMA`.
    timeframe
        ``h4`` or ``daily``.
    """
    aside = quarantined.filter(pl.col("symbol").is_not_null())
    if aside.is_empty():
        return []
    partial = (pl.col("covered_minutes") < pl.col("minutes")).sum()
    kept = clean.group_by("symbol").agg(kept=pl.len(), partial=partial)
    missing = gaps.group_by("symbol").agg(missing=pl.col("count").sum())
    rule = pl.col("rule")
    held = aside.group_by("symbol").agg(
        held=pl.len(),
        first=pl.col("ts").min(),
        last=pl.col("ts").max(),
        outside=(rule == "outside_session").sum(),
        blank=rule.is_in(BLANK).sum(),
        most=rule.mode().sort().first(),
    )
    both = (
        held.join(kept, on="symbol", how="left")
        .join(missing, on="symbol", how="left")
        .with_columns(pl.col("kept", "partial", "missing").fill_null(0))
    )
    return [
        Finding(name, severity, row["symbol"], row["first"], reason, row["last"], count)
        for row in both.sort("symbol").iter_rows(named=True)
        for name, severity, reason, count in _said(row, timeframe)
    ]


LEAST_ROWS = 5
"""Rows of a whole file below which it is pointed out: a download that broke off, or a new listing."""


def file_findings(rows: pl.DataFrame, *, ordered: bool) -> list[Finding]:
    """Return what the rows of one file say before they are made into bars.

    Parameters
    ----------
    rows
        Columns ``symbol, stamp``, in the order of the file.
    ordered
        Whether the order of the stamps is still to be judged.
    """
    counts = rows.group_by("symbol").agg(pl.len().alias("count"), pl.col("stamp").min()).sort("symbol")
    findings = [
        Finding("too_few_rows", Severity.WARN, symbol, ts, f"only {count} rows", count=count)
        for symbol, count, ts in counts.filter(pl.col("count") < LEAST_ROWS).iter_rows()
    ]
    if not ordered:
        return findings
    back = rows.filter((pl.col("stamp") < pl.col("stamp").shift(1).over("symbol")).fill_null(value=False))
    runs = back.group_by("symbol").agg(
        pl.col("stamp").min(), last=pl.col("stamp").max(), count=pl.len()
    )  # fmt: skip
    return findings + [
        Finding("non_monotonic", Severity.WARN, symbol, ts, "stamps go back in the file", last, count)
        for symbol, ts, last, count in runs.sort("symbol").iter_rows()
    ]


def _said(row: dict, timeframe: str) -> list[tuple[str, Severity, str, int]]:
    rows = row["kept"] + row["held"]
    said = []
    if not row["kept"]:
        reason = f"all {rows} rows are set aside, most as {row['most']}"
        said.append(("nothing_left", Severity.ERROR, reason, rows))
    if row["blank"] > BLANK_SHARE * rows:
        reason = f"{row['blank']} of {rows} rows lack a price or a time"
        said.append(("blank_share", Severity.WARN, reason, row["blank"]))
    slipped = row["outside"] >= SLIPPED_ROWS and row["outside"] >= SLIPPED_SHARE * rows
    lacking, expected = row["partial"] + row["missing"], row["kept"] + row["missing"]
    if slipped and (timeframe == "daily" or lacking >= LACKING_SHARE * expected):
        reason = f"{row['outside']} of {rows} rows lie outside the sessions, as after a shift of the zone"
        said.append(("zone_slip", Severity.ERROR, reason, row["outside"]))
    return said
