"""What the rows set aside of one symbol say together: a slipped time zone, or nothing that is left.

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
PARTIAL_SHARE = 0.20
"""Part of the four-hour bars that a slip leaves incomplete: it empties one end of every session.  Rows from
before and after the session (extended hours) leave the session itself whole."""
BLANK = ("not_finite", "missing_value")
WHOLE_RULES = ("zone_slip", "nothing_left", "blank_share")


def whole_findings(clean: pl.DataFrame, quarantined: pl.DataFrame, timeframe: str) -> list[Finding]:
    """Return what quarantine says about whole symbols.

    Parameters
    ----------
    clean
        Rows of `BAR_SCHEMA` that are left.
    quarantined
        Rows of `QUARANTINE_SCHEMA`, those set aside before bars were made included.
    timeframe
        ``h4`` or ``daily``.
    """
    aside = quarantined.filter(pl.col("symbol").is_not_null())
    if aside.is_empty():
        return []
    partial = (pl.col("covered_minutes") < pl.col("minutes")).mean()
    kept = clean.group_by("symbol").agg(kept=pl.len(), partial=partial)
    rule = pl.col("rule")
    held = aside.group_by("symbol").agg(
        held=pl.len(),
        first=pl.col("ts").min(),
        last=pl.col("ts").max(),
        outside=(rule == "outside_session").sum(),
        blank=rule.is_in(BLANK).sum(),
        most=rule.mode().sort().first(),
    )
    both = held.join(kept, on="symbol", how="left").with_columns(pl.col("kept", "partial").fill_null(0))
    return [
        Finding(name, severity, row["symbol"], row["first"], reason, row["last"], count)
        for row in both.sort("symbol").iter_rows(named=True)
        for name, severity, reason, count in _said(row, timeframe)
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
    if slipped and (timeframe == "daily" or row["partial"] >= PARTIAL_SHARE):
        reason = f"{row['outside']} of {rows} rows lie outside the sessions, as after a shift of the zone"
        said.append(("zone_slip", Severity.ERROR, reason, row["outside"]))
    return said
