"""Hundreds of series are summed by kind, the worst first; a handful are all shown."""

from datetime import UTC, datetime

from service.cli.status_tables import by_kind, worst

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)


def record(symbol, timeframe="daily", asset_class="equity", missing=0, quarantined=0, first=FIRST):
    return {
        "feed": "files",
        "symbol": symbol,
        "timeframe": timeframe,
        "asset_class": asset_class,
        "rows": 100,
        "first": first,
        "last": LAST,
        "gaps": None if missing is None else int(missing > 0),
        "missing": missing,
        "quarantined": quarantined,
    }


SERIES = [
    *(record(f"S{n:03}") for n in range(250)),
    record("HOLE", missing=3),
    record("ODD", quarantined=2, first=datetime(2010, 1, 1, tzinfo=UTC)),
    record("BTC/USD", "h4", "crypto", missing=16),
    record("PMI", "macro", None, missing=None),
]


def test_kinds_are_summed_and_what_lacks_most_comes_first():
    kinds = by_kind(SERIES)
    assert [(k["asset_class"], k["timeframe"]) for k in kinds] == [
        ("crypto", "h4"),
        ("equity", "daily"),
        (None, "macro"),
    ]
    stocks = kinds[1]
    assert (stocks["symbols"], stocks["rows"]) == (252, 25_200)
    assert (stocks["incomplete"], stocks["gaps"], stocks["missing"], stocks["quarantined"]) == (1, 1, 3, 2)
    assert stocks["first"] == datetime(2010, 1, 1, tzinfo=UTC)
    assert kinds[2]["missing"] is None


def test_of_hundreds_only_those_that_lack_something_are_shown_the_worst_first():
    title, shown = worst(SERIES, 40)
    assert [r["symbol"] for r in shown] == ["BTC/USD", "HOLE", "ODD"]
    assert title == "3 series with missing or quarantined rows, of 254"
    title, shown = worst(SERIES, 2)
    assert [r["symbol"] for r in shown] == ["BTC/USD", "HOLE"]
    assert title == "the 2 worst of 3 series with missing or quarantined rows, of 254"


def test_a_handful_is_shown_whole_and_in_order():
    title, shown = worst(SERIES[:3], 40)
    assert (title, shown) == ("series", SERIES[:3])
