"""What quarantine says about whole symbols, and files about themselves."""

from datetime import UTC, datetime, timedelta

import polars as pl

from pipeline.market.bars import BAR_SCHEMA, GAP_SCHEMA, QUARANTINE_SCHEMA, empty
from pipeline.market.set_aside import file_findings, whole_findings

START = datetime(2022, 1, 3, tzinfo=UTC)


def clean(rows: int, partial: int = 0) -> pl.DataFrame:
    stamps = [START + timedelta(days=n) for n in range(rows)]
    covered = [60 if n < partial else 240 for n in range(rows)]
    part = {"symbol": ["SPY"] * rows, "ts": stamps, "minutes": [240] * rows, "covered_minutes": covered}
    frame = pl.DataFrame(part, schema={c: BAR_SCHEMA[c] for c in part})
    return pl.concat([empty(BAR_SCHEMA), frame], how="diagonal")


def aside(rule: str, rows: int) -> pl.DataFrame:
    part = {"symbol": ["SPY"] * rows, "ts": [START] * rows, "rule": [rule] * rows}
    frame = pl.DataFrame(part, schema={c: QUARANTINE_SCHEMA[c] for c in part})
    return pl.concat([empty(QUARANTINE_SCHEMA), frame], how="diagonal")


def said(kept: pl.DataFrame, bad: pl.DataFrame, timeframe: str = "h4") -> list[str]:
    return [finding.rule for finding in whole_findings(kept, bad, empty(GAP_SCHEMA), timeframe)]


def test_a_single_row_aside_says_nothing_about_the_symbol():
    assert said(clean(200), aside("not_finite", 1)) == []


def test_nothing_left_is_an_error_of_its_own():
    assert said(clean(0), aside("straddle", 10)) == ["nothing_left"]


def test_more_than_one_row_in_a_hundred_without_a_price_is_pointed_out():
    assert said(clean(150), aside("not_finite", 2)) == ["blank_share"]


def test_rows_outside_sessions_that_lack_bars_inside_are_a_slip_but_extended_hours_are_not():
    assert said(clean(100, partial=50), aside("outside_session", 50)) == ["zone_slip"]
    assert said(clean(100), aside("outside_session", 50)) == []
    assert said(clean(100), aside("outside_session", 50), "daily") == ["zone_slip"]


def test_a_file_tells_when_it_is_short_or_out_of_order():
    stamps = [START + timedelta(hours=n) for n in (0, 2, 1)]
    rows = pl.DataFrame({"symbol": ["SPY"] * 3, "stamp": stamps})
    assert [f.rule for f in file_findings(rows, ordered=True)] == ["too_few_rows", "non_monotonic"]
    assert [f.rule for f in file_findings(rows, ordered=False)] == ["too_few_rows"]
