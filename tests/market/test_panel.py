"""The panel lays bars out, and a value reaches a decision only once it is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calendar.known import known_at
from pipeline.calendar.sessions import expected_daily, expected_h4
from pipeline.errors import SchemaError, TimestampError
from pipeline.features.compute import features_at_decisions
from pipeline.features.registry import parse
from pipeline.market.bars import conform_bars
from pipeline.market.panel import Panel, at_decisions, build_panel

H4 = np.timedelta64(4, "h")
FIELDS = ("open_at", "close_at", "known_at", "open", "high", "low", "close", "volume")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START, END = utc("2024-07-01"), utc("2024-07-08")


def bars(symbol: str, calendar: str, price: float, daily: bool = False) -> pl.DataFrame:
    expected = (expected_daily if daily else expected_h4)(calendar, START, END)
    steps = pl.int_range(pl.len()).cast(pl.Float64)
    return conform_bars(
        expected.with_columns(
            symbol=pl.lit(symbol), open=price + steps, high=price + steps + 2, low=price + steps - 2,
            close=price + steps + 1, volume=steps, adjustment=pl.lit("raw"), source=pl.lit("test"),
            vintage=pl.lit("as_published"), simulated=pl.lit(value=True), known_at="close_at",
        )
    )  # fmt: skip


H4_BARS = pl.concat([bars("SPY", "XNYS", 500.0), bars("BTC/USD", "24/7", 60_000.0)])


def panel(symbols=("SPY", "BTC/USD"), frame: pl.DataFrame = H4_BARS) -> Panel:
    return build_panel(frame, symbols, START, END)


def test_the_axis_has_every_cell_and_the_decision_is_at_its_end():
    p = panel()
    assert (p.n_bars, p.n_assets) == (42, 2)
    assert (np.diff(p.ts) == H4).all()
    assert (p.decisions == p.ts + H4).all()
    assert p.ts[0] == np.datetime64("2024-07-01T00:00", "us")


def test_every_bar_lies_in_its_own_cell_and_column_and_nowhere_else():
    p = panel()
    for j, symbol in enumerate(p.symbols):
        rows = H4_BARS.filter(pl.col("symbol") == symbol)
        i = np.flatnonzero(p.present[:, j])
        assert p.ts[i].tolist() == rows["ts"].dt.replace_time_zone(None).to_list()
        for field in FIELDS:
            values = rows[field]
            values = values.dt.replace_time_zone(None) if values.dtype.is_temporal() else values
            assert getattr(p, field)[i, j].tolist() == values.to_list()
        absent = ~p.present[:, j]
        assert np.isnan(p.close[absent, j]).all()
        assert np.isnat(p.known_at[absent, j]).all()
    assert p.present[:, 1].all()
    assert p.present[:, 0].sum() == 8  # four sessions of two bars, one of them a half day


def test_arrays_are_float64_in_c_order():
    p = panel()
    for field in FIELDS:
        array = getattr(p, field)
        assert array.shape == (42, 2)
        assert array.flags.c_contiguous
        assert array.dtype in {np.dtype(np.float64), np.dtype("datetime64[us]")}


def test_the_order_of_rows_does_not_matter_and_foreign_rows_are_left_out():
    shuffled = pl.concat([H4_BARS.reverse(), bars("ETH/USD", "24/7", 3_000.0)])
    p, q = panel(), panel(frame=shuffled)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(p, field), getattr(q, field))


def test_a_symbol_without_bars_is_a_column_of_nan_and_no_bars_at_all_are_no_error():
    p = panel(("QQQ", "BTC/USD"))
    assert not p.present[:, 0].any()
    assert p.present[:, 1].all()
    assert not panel(frame=H4_BARS.clear()).present.any()
    assert build_panel(H4_BARS, ("SPY",), START, START).n_bars == 0


def test_an_unknown_volume_is_nan():
    p = panel(frame=H4_BARS.with_columns(volume=pl.lit(None, dtype=pl.Float64)))
    assert np.isnan(p.volume).all()


def test_upto_is_the_prefix_that_ends_with_that_bar():
    p = panel()
    for i in (0, 7, 41):
        q = p.upto(i)
        assert q.n_bars == i + 1
        assert q.symbols == p.symbols
        assert q.ts[-1] == p.ts[i]
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(q, field), getattr(p, field)[: i + 1])
    for outside in (-1, 42):
        with pytest.raises(IndexError):
            p.upto(outside)


def test_two_bars_in_one_cell_are_refused_naming_symbol_and_cell():
    again = pl.concat([H4_BARS, H4_BARS.filter(pl.col("symbol") == "SPY").head(1)])
    with pytest.raises(TimestampError, match="SPY 2024-07-01T12"):
        panel(frame=again)


def test_wrong_input_is_refused():
    with pytest.raises(TimestampError):
        build_panel(H4_BARS, ("SPY",), utc("2024-07-01T01:00"), END)
    with pytest.raises(TimestampError):
        panel(frame=H4_BARS.with_columns(pl.col("ts") + timedelta(minutes=1)))
    with pytest.raises(SchemaError, match="twice"):
        panel(("SPY", "SPY"))
    with pytest.raises(SchemaError, match="close"):
        panel(frame=H4_BARS.drop("close"))
    with pytest.raises(SchemaError, match="ts"):
        panel(frame=H4_BARS.with_columns(pl.col("ts").dt.replace_time_zone(None)))


# --- as of a decision -------------------------------------------------------------------------------


def naive(values, known, decisions) -> list[float]:
    out = []
    for d in decisions:
        best, when = float("nan"), None
        for value, k in zip(values, known, strict=True):
            if k <= d and (when is None or k >= when):
                best, when = value, k
        out.append(best)
    return out


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(allow_infinity=False)), max_size=30),
    st.lists(st.integers(-5, 40), max_size=30),
)
def test_the_value_at_a_decision_is_the_last_one_known_then_as_a_plain_loop_finds_it(pairs, when):
    pairs.sort(key=lambda p: p[0])
    origin = np.datetime64("2024-01-01", "us")
    known = origin + np.array([k for k, _ in pairs], "timedelta64[h]")
    values = np.array([v for _, v in pairs], np.float64)
    decisions = origin + np.array(when, "timedelta64[h]")
    np.testing.assert_array_equal(at_decisions(values, known, decisions), naive(values, known, decisions))


@given(st.integers(0, 49), st.integers(0, 2**32 - 1))
def test_what_becomes_known_after_a_decision_cannot_change_it(cut, seed):
    rng = np.random.default_rng(seed)
    known = np.datetime64("2024-01-01", "us") + np.sort(rng.integers(0, 200, 50)).astype("timedelta64[h]")
    values, decisions = rng.normal(size=50), known + np.timedelta64(1, "h")
    noise = np.where(known > decisions[cut], rng.normal(size=50) * 1e6, values)
    seen, again = at_decisions(values, known, decisions), at_decisions(noise, known, decisions)
    early = decisions <= decisions[cut]
    np.testing.assert_array_equal(seen[early], again[early])


def test_unsorted_or_missing_instants_are_refused():
    times = np.array(["2024-01-02", "2024-01-01"], "datetime64[us]")
    with pytest.raises(TimestampError, match="goes back"):
        at_decisions(np.array([1.0, 2.0]), times, times)
    nat = np.array(["NaT"], "datetime64[us]")
    with pytest.raises(TimestampError):
        at_decisions(np.array([1.0]), nat, times)
    with pytest.raises(TimestampError):
        at_decisions(np.array([1.0]), times[:1], nat)
    with pytest.raises(SchemaError):
        at_decisions(np.array([1.0]), times, times)


# --- the leak of a daily bar stamped at its session date ----------------------------------------------

DAYS = bars("SPY", "XNYS", 500.0, daily=True)
SESSIONS = DAYS["ts"].dt.replace_time_zone(None).to_numpy()
MONDAY, TUESDAY = 501.0, 502.0


def seen_at(instant: str, stamps: np.ndarray) -> float:
    """The SPY daily close that a decision reads when daily bars are known at ``stamps``."""
    p = panel(("SPY",))
    days = DAYS.with_columns(known_at=pl.Series(stamps).dt.replace_time_zone("UTC"))
    closes = features_at_decisions(p, days, [parse("close_d")], expected={})["close_d"][:, 0]
    return closes[p.decisions == np.datetime64(instant)].item()


@pytest.mark.parametrize(
    ("decision", "close"),
    [
        ("2024-07-02T00:00", MONDAY),
        ("2024-07-02T12:00", MONDAY),
        ("2024-07-02T16:00", MONDAY),
        ("2024-07-02T20:00", MONDAY),  # the close itself: the vendor's file comes 15 minutes later
        ("2024-07-03T00:00", TUESDAY),
    ],
)
def test_a_daily_close_is_seen_only_after_its_session_and_the_vendor_s_lag(decision, close):
    assert seen_at(decision, known_at("session_close", SESSIONS)) == close


@pytest.mark.parametrize("stamp", [0, 5])
def test_the_same_read_shows_the_leak_when_the_bar_is_stamped_at_its_session_date(stamp):
    leaking = SESSIONS + np.timedelta64(stamp, "h")
    assert seen_at("2024-07-02T12:00", leaking) == TUESDAY
