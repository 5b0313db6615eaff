"""Thumbnails are small PNGs, the same for the same run, and say when prices are made up."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.backtest.periods import calendar_of, underwater
from pipeline.backtest.pictures import (
    equity_picture,
    full_colour,
    headline_of,
    monthly_picture,
    shade,
    short_money,
    title_of,
)
from pipeline.pictures import hundredths
from tests.support.small_run import small_run

PICTURES = {"equity": equity_picture, "monthly": monthly_picture}


@pytest.fixture(scope="module")
def run():
    return small_run()


@pytest.fixture(params=PICTURES.values(), ids=PICTURES.keys())
def picture(request):
    return request.param


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image


def ink(png: bytes, rows: slice, columns: slice = slice(None)) -> int:
    """Dark pixels in a part of a picture."""
    return int((np.asarray(opened(png).convert("L"))[rows, columns] < 120).sum())


def long_run(run, days: int):
    """The same run with the NAV of a walk over ``days`` days."""
    bars = days * 6
    ts = run.simulation.ts[0] + np.arange(bars) * np.timedelta64(4, "h")
    nav = run.simulation.initial_nav * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, bars)))
    return dataclasses.replace(run, simulation=dataclasses.replace(run.simulation, ts=ts, nav=nav))


def test_a_picture_is_a_png_below_100_kb_with_few_colours(run, picture):
    image = opened(picture(run))
    assert image.width == 720
    assert len(image.convert("RGB").getcolors(1 << 24)) <= 64
    assert len(picture(run)) < 100_000


def test_twenty_years_of_h4_bars_stay_below_100_kb(run, picture):
    assert len(picture(long_run(run, 20 * 365))) < 100_000


def test_the_same_run_gives_the_same_bytes(picture):
    assert picture(small_run(days=60)) == picture(small_run(days=60))


def test_another_run_gives_another_picture(run, picture):
    assert picture(run) != picture(small_run(seed=4))


def test_made_up_prices_are_named_in_the_title_and_across_the_picture(run, picture):
    real = small_run(simulated=False)
    title = slice(0, 20)
    assert ink(picture(run), title) > ink(picture(real), title)
    below = (slice(40, None), slice(150, 570))
    differs = [np.asarray(opened(picture(r)).convert("L"), dtype=int)[below] for r in (run, real)]
    assert np.mean(np.abs(differs[0] - differs[1]) > 3) > 0.05


def test_the_picture_of_nav_is_higher_where_nav_is_higher(run):
    bars = run.simulation.nav.size
    for rising in (False, True):
        nav = np.linspace(1.0, 2.0, bars)[:: 1 if rising else -1] * run.simulation.initial_nav
        drawn = dataclasses.replace(
            run,
            simulation=dataclasses.replace(run.simulation, nav=nav),
            provenance=dataclasses.replace(run.provenance, simulated=False),
        )
        pixels = np.asarray(opened(equity_picture(drawn)).convert("RGB"), dtype=int)[45:255]
        line = (np.abs(pixels - [0x1F, 0x6F, 0x8B]).sum(axis=2) < 60).astype(float)
        heights = [line[:, part].sum(axis=1) @ np.arange(210) / line[:, part].sum()
                   for part in (slice(60, 200), slice(560, 710))]  # fmt: skip
        assert (heights[1] < heights[0]) == rising


def test_a_run_without_trades_can_be_drawn_and_says_so(picture):
    idle = small_run(days=20, most=0.0)
    assert opened(picture(idle)).width == 720
    assert headline_of(idle).startswith("NO TRADES: CAGR unknown, Sharpe unknown")


def test_one_decision_can_be_drawn(run, picture):
    one = dataclasses.replace(run.simulation, ts=run.simulation.ts[:1], nav=run.simulation.nav[:1])
    assert opened(picture(dataclasses.replace(run, simulation=one))).width == 720


def test_a_name_is_shown_as_it_is_and_never_read_as_a_formula(picture):
    assert opened(picture(small_run(days=20, name="a $\\frac{$ b", source="x_$1^"))).width == 720


def test_a_title_names_strategy_feed_and_window():
    run = small_run(days=20)
    assert title_of(run) == "Switching 1.0.0 on sample, 2021-01-04 to 2021-01-24"
    assert len(title_of(small_run(days=20, name="n" * 200))) < 90


def test_the_calendar_holds_each_month_and_compounds_the_years(run):
    done = run.simulation
    calendar = calendar_of(*done.monthly_returns)
    years = done.ts.astype("datetime64[Y]").astype(int) + 1970
    ends = {int(year): done.nav[years == year][-1] for year in np.unique(years)}
    assert calendar.years.tolist() == sorted(ends)
    before = done.initial_nav
    for year, annual in zip(calendar.years.tolist(), calendar.annual, strict=True):
        assert annual == pytest.approx(ends[year] / before - 1.0, abs=1e-12)
        before = ends[year]
    march = done.nav[done.ts.astype("datetime64[M]") == np.datetime64("2021-03")]
    february = done.nav[done.ts.astype("datetime64[M]") == np.datetime64("2021-02")]
    assert calendar.monthly[0, 2] == pytest.approx(march[-1] / february[-1] - 1.0, abs=1e-12)


def test_months_outside_the_run_are_unknown_not_zero():
    months = np.array(["2020-11", "2020-12", "2022-01"], dtype="datetime64[M]")
    calendar = calendar_of(months, np.array([0.1, 0.0, -0.2]))
    assert calendar.years.tolist() == [2020, 2021, 2022]
    known = {(0, 10): 0.1, (0, 11): 0.0, (2, 0): -0.2}
    for (year, month), value in np.ndenumerate(calendar.monthly):
        expected = known.get((year, month))
        assert np.isnan(value) if expected is None else value == expected
    assert calendar.annual[0] == pytest.approx(0.1)
    assert np.isnan(calendar.annual[1])


@pytest.mark.parametrize("seed", range(5))
def test_stretches_under_water_equal_a_walk_through_the_peaks(seed):
    nav = np.round(np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.05, 300))), 2)
    peak, at, fall, found, lowest = 1.0, -1, np.zeros(300), [], None
    for i, value in enumerate(nav.tolist()):
        if value >= peak:
            if lowest is not None:
                found.append((at, lowest, i))
            peak, at, lowest = value, i, None
        elif lowest is None or value < nav[lowest]:
            lowest = i
        fall[i] = 1.0 - value / peak
    if lowest is not None:
        found.append((at, lowest, None))
    stretches = underwater(fall)
    assert sorted((s.peak, s.trough, s.recovery) for s in stretches) == sorted(found)
    assert [s.depth for s in stretches] == sorted((s.depth for s in stretches), reverse=True)
    assert stretches[0].depth == fall.max()


def test_colours_are_white_at_zero_and_told_apart_by_sign():
    assert shade(0.0, 0.05) == ((1.0, 1.0, 1.0), False)
    (red, green, _), light = shade(0.05, 0.05)
    assert green > red
    assert light
    (red, green, _), light = shade(-0.2, 0.05)
    assert red > green
    assert light
    assert full_colour(np.array([[0.001, np.nan]])) == 0.02


@pytest.mark.parametrize(
    ("money", "text"), [(950.0, "950"), (12_500.0, "12.5k"), (1.2e6, "1.2M"), (-3e9, "-3B"), (0.0, "0")]
)
def test_money_on_an_axis_is_short(money, text):
    assert short_money(money) == text


def test_a_rounded_zero_has_no_sign():
    assert [hundredths(value, 1) for value in (-0.0004, 0.0, -0.0006)] == ["0.0", "0.0", "-0.1"]
