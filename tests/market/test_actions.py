"""Corporate actions: when each was known, and which rows make no sense."""

from datetime import UTC, datetime

import polars as pl
import pytest

from pipeline.errors import TimestampError
from pipeline.market.actions import ACTION_SCHEMA, actions_known_at, judged_actions
from pipeline.market.bars import QUARANTINE_SCHEMA

COLUMNS = ["symbol", "ts", "kind", "value", "currency", "declared_at"]


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def column(*instants: str | None) -> pl.Series:
    return pl.Series([at(text) for text in instants], dtype=pl.Datetime("us", "UTC"))


@pytest.mark.parametrize(
    ("calendar", "ex", "declared", "known"),
    [
        ("XNYS", "2020-08-31", None, "2020-08-31T13:30"),  # summer
        ("XNYS", "2021-01-08", None, "2021-01-08T14:30"),  # winter
        ("XNYS", "2020-08-29", None, "2020-08-31T13:30"),  # a Saturday counts from Monday's open
        ("XNYS", "2020-08-31", "2020-07-30T20:30", "2020-07-30T20:30"),
        ("XNYS", "2020-08-31", "2020-09-03T12:00", "2020-09-03T12:00"),
        ("24/7", "2020-08-31", None, "2020-08-31"),
    ],
)
def test_an_action_is_known_when_declared_else_at_the_open_of_its_ex_date(calendar, ex, declared, known):
    assert actions_known_at(column(ex), column(declared), calendar).to_list() == [at(known)]


@pytest.mark.parametrize("ex", [None, "2099-01-01"])
def test_an_ex_date_that_no_calendar_reaches_is_refused(ex):
    with pytest.raises(TimestampError, match="ex-date"):
        actions_known_at(column(ex), column(None), "XNYS")


def rows(*given: tuple) -> pl.DataFrame:
    schema = {name: ACTION_SCHEMA[name] for name in COLUMNS}
    return pl.DataFrame([(s, at(ts), *rest, None) for s, ts, *rest in given], schema=schema, orient="row")


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ((None, "2020-08-31", "split", 4.0, None), "missing_value"),
        (("X", None, "split", 4.0, None), "missing_value"),
        (("X", "2020-08-31", None, 4.0, None), "missing_value"),
        (("X", "2020-08-31", "split", None, None), "missing_value"),
        (("X", "2020-08-31", "spinoff", 4.0, None), "unknown_kind"),
        (("X", "2020-08-31", "split", float("nan"), None), "not_finite"),
        (("X", "2020-08-31", "split", float("inf"), None), "not_finite"),
        (("X", "2020-08-31", "split", 0.0, None), "non_positive"),
        (("X", "2020-08-31", "dividend", -0.2, "USD"), "non_positive"),
        (("X", "2020-08-31", "dividend", 0.2, None), "no_currency"),
    ],
)
def test_a_row_that_makes_no_sense_is_set_aside_by_name(bad, rule):
    fine = ("Y", "2020-08-31", "split", 4.0, None)
    good, aside = judged_actions(rows(fine, bad), COLUMNS)
    assert good["symbol"].to_list() == ["Y"]
    assert aside["rule"].to_list() == [rule]
    assert dict(aside.schema) == dict(QUARANTINE_SCHEMA)
    assert aside["dataset"].to_list() == ["market.corporate_actions"]


def test_equal_rows_are_one_and_contradicting_ones_none():
    split = ("X", "2020-08-31", "split", 4.0, None)
    good, aside = judged_actions(rows(split, split), COLUMNS)
    assert (good.height, aside["rule"].to_list()) == (1, ["duplicate"])
    good, aside = judged_actions(rows(split, ("X", "2020-08-31", "split", 5.0, None)), COLUMNS)
    assert (good.height, aside["rule"].to_list()) == (0, ["conflict", "conflict"])


def test_a_split_and_a_dividend_of_one_day_are_two_actions():
    both = rows(("X", "2020-08-31", "split", 4.0, None), ("X", "2020-08-31", "dividend", 0.2, "USD"))
    good, aside = judged_actions(both, COLUMNS)
    assert (good.height, aside.height) == (2, 0)
