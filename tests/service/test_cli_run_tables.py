"""What people read when ``bells run`` has ended."""

from datetime import UTC, datetime

import pytest

from service.cli.run_tables import show

FIRST, LAST = datetime(2022, 5, 1, tzinfo=UTC), datetime(2023, 6, 30, 20, tzinfo=UTC)


@pytest.fixture
def answer():
    gap = {"feed": "files", "symbol": "SPY", "timeframe": "h4", "first": FIRST, "last": LAST, "missing": 1}
    broken = {"asset": "market/ohlcv_h4", "check": "no_gaps", "verdict": "warned", "description": "a hole"}
    return {
        "source": "files",
        "simulated": False,
        "from": "2022-04",
        "to": "2023-07",
        "window": {"first": FIRST, "last": LAST},
        "assets": {"market/ohlcv_h4": {"rows": 9}},
        "not_made": [],
        "checks": [broken],
        "gaps": [gap],
        "quarantine": [
            {
                "symbol": "QQQ",
                "dataset": "market.ohlcv_daily",
                "rule": "ohlc_order",
                "rows": 2,
                "first": FIRST,
            }
        ],
        "backtest": None,
        "warehouse": "w.duckdb",
        "dagster_run_id": "d",
        "seconds": 1.0,
    }


def test_the_header_names_the_bars_that_are_stored_and_the_months_that_were_made(answer, capsys):
    show(answer)
    out = capsys.readouterr().out
    assert "source files, bars from 2022-05-01 00:00 to 2023-06-30 20:00; months 2022-04 to 2023-07" in out
    show(answer | {"window": None})
    assert "source files, no bars stored;" in capsys.readouterr().out


def test_gaps_checks_and_quarantine_are_counted_in_good_english(answer, capsys):
    show(answer)
    out = capsys.readouterr().out
    assert "1 gap, 1 bar missing" in out
    assert "1 check did not pass" in out
    assert "quarantine: 2 rows set aside" in out
    assert "ohlc_order" in out
    show(answer | {"gaps": answer["gaps"] * 30, "quarantine": []})
    said = capsys.readouterr()
    assert "30 gaps, 30 bars missing" in said.out
    assert "quarantine" not in said.out
    assert "10 more: bells data status" in said.err
