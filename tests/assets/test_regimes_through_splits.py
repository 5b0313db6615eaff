"""Regimes of raw prices: a split is no bear market, as far as it was known at the decision."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.regimes.rows import read_regime_inputs, regimes_at
from assets.regimes.tables import changes_of
from pipeline.config.load import load_settings
from pipeline.market.actions import ACTION_SCHEMA
from pipeline.market.panel import build_panel
from pipeline.regimes.vocabulary import labels
from resources.home import ROOT
from tests.support.bars_folder import END, bars_of
from warehouse.memory import FrameStore
from warehouse.tables import CORPORATE_ACTIONS, MACRO, OHLCV_DAILY

SETTINGS = load_settings(root=ROOT, environ={}).settings
EX = datetime(2023, 3, 15, tzinfo=UTC)
OPEN = datetime(2023, 3, 15, 13, 30, tzinfo=UTC)
UNSPLIT = bars_of("SPY", "daily", 1)


def raw(ratio: float, ex: datetime = EX, adjustment: str = "raw") -> pl.DataFrame:
    """The bars as they were printed: before the split in old shares."""
    old = pl.when(pl.col("ts") < ex).then(ratio).otherwise(1.0)
    prices = [pl.col(name) * old for name in ("open", "high", "low", "close")]
    return UNSPLIT.with_columns(*prices, pl.col("volume") / old, adjustment=pl.lit(adjustment))


def split(ratio: float, known_at: datetime = OPEN) -> pl.DataFrame:
    row = ("SPY", EX, "split", ratio, None, None, "test", False, known_at)
    return pl.DataFrame([row], schema=dict(ACTION_SCHEMA), orient="row")


def read(daily: pl.DataFrame, actions: pl.DataFrame | None = None, end: datetime = END):
    frames = {OHLCV_DAILY.full_name: daily.with_columns(feed=pl.lit("files"))}
    if actions is not None:
        frames[CORPORATE_ACTIONS.full_name] = actions.with_columns(feed=pl.lit("files"))
    store = FrameStore(frames)
    return read_regime_inputs(end, feed="files", warehouse=store, settings=SETTINGS)


def labels_of(inputs, until: datetime = END) -> dict[str, list[str]]:
    found = inputs.at(inputs.axis(until))
    return {dimension: labels(dimension, codes) for dimension, codes in found.codes.items()}


@pytest.mark.parametrize("ratio", [4.0, 0.125])
def test_a_split_that_is_told_leaves_the_regimes_as_they_are_without_it(ratio):
    expected = labels_of(read(UNSPLIT))
    assert expected["equity"][-1] == "bull"
    assert labels_of(read(raw(ratio), split(ratio))) == expected
    assert labels_of(read(raw(ratio))) != expected, "untold, it looks like a crash or a boom"


def test_before_it_is_known_a_split_looks_like_a_crash_and_afterwards_never_was_one():
    told = datetime(2023, 3, 29, 14, tzinfo=UTC)
    late, untold, plain = read(raw(4.0), split(4.0, told)), read(raw(4.0)), read(UNSPLIT)
    decisions = late.axis(END)
    before = int(np.searchsorted(decisions, np.datetime64(told.replace(tzinfo=None))))
    words, as_seen, without = (labels_of(inputs) for inputs in (late, untold, plain))
    for dimension, own in words.items():
        assert own[:before] == as_seen[dimension][:before]
        assert own[before:] == without[dimension][before:]
    assert "bear" in words["equity"][:before]
    causes = [str(c.cause) for c in changes_of(late.at(decisions)) if c.dimension == "equity"]
    assert set(causes) == {"observation"}


def test_nothing_known_later_changes_a_label_before_it():
    whole, ratio = read(raw(4.0), split(4.0)), 4.0
    for end in (EX, EX + timedelta(hours=12), EX + timedelta(hours=16), EX + timedelta(days=5)):
        part = read(raw(ratio), split(ratio), end)
        cut = part.axis(end).size
        for dimension, words in labels_of(part, end).items():
            assert words == labels_of(whole)[dimension][:cut]
        inputs, all_inputs = part.at(part.axis(end)), whole.at(whole.axis(END))
        for dimension, of in inputs.of.items():
            for name, values in of.inputs.items():
                np.testing.assert_array_equal(values, all_inputs.of[dimension].inputs[name][:cut])


def test_the_numbers_shown_are_in_the_shares_of_the_decision():
    found, plain = read(raw(4.0), split(4.0)), read(UNSPLIT)
    decisions = found.axis(END)
    old = np.where(decisions < np.datetime64(OPEN.replace(tzinfo=None)), 4.0, 1.0)
    ours, theirs = (inputs.at(decisions).of["equity"].inputs for inputs in (found, plain))
    for name, factor in {"close": old, "sma": old, "momentum_low": 1.0, "momentum_high": 1.0}.items():
        np.testing.assert_allclose(ours[name], theirs[name] * factor, rtol=1e-12)


def test_bars_that_are_adjusted_already_or_in_part_are_left_as_they_are():
    expected = labels_of(read(UNSPLIT))
    assert labels_of(read(raw(1.0, adjustment="split"), split(4.0))) == expected
    mixed = pl.concat([raw(1.0)[:10], raw(1.0, adjustment="split")[10:]])
    assert labels_of(read(mixed, split(4.0))) == expected


def test_a_split_stands_among_what_was_read():
    assert [item.table for item in read(raw(4.0), split(4.0)).inputs] == [
        OHLCV_DAILY.full_name,
        MACRO.full_name,
        CORPORATE_ACTIONS.full_name,
    ]
    assert len(read(raw(4.0)).inputs) == 2


def test_a_panel_sees_the_same():
    bars = bars_of("QQQ", "h4", 2)
    panel = build_panel(bars, ["QQQ"], EX - timedelta(days=30), END)
    daily, actions = (
        frame.with_columns(feed=pl.lit("files")) for frame in (raw(4.0), split(4.0))
    )  # fmt: skip
    store = FrameStore({OHLCV_DAILY.full_name: daily, CORPORATE_ACTIONS.full_name: actions})
    codes = regimes_at(panel, feed="files", warehouse=store, settings=SETTINGS)
    assert set(labels("equity", codes["equity"])) == {"bull"}
