"""Everything a run is asked, in one call: complete, deterministic, and silent where nothing can be said."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.backtest.crisis import Window
from pipeline.backtest.report import report_html
from pipeline.backtest.robustness import FEWEST_RANDOM, Plan, robustness_of
from tests.backtest.test_report import DASH, table_under
from tests.support.small_run import small_account, small_run

STORMS = {
    "spring_2021": Window(date(2021, 3, 1), date(2021, 6, 1)),
    "covid": Window(date(2020, 2, 1), date(2020, 5, 1)),
}
PLAN = Plan(random=30, seed=8, crises=STORMS, trials=5)


@pytest.fixture(scope="module")
def run():
    return small_run()


@pytest.fixture(scope="module")
def asked(run):
    regimes = {"crypto": (np.arange(run.simulation.ts.size) // 300 % 2).astype(np.int8)}
    return robustness_of(run, small_account(), PLAN, regimes)


def told(asked):
    return {place: value for *place, value in asked.values() for place in [tuple(place)]}


def test_every_answer_stands_once_and_is_a_number_or_unknown(asked):
    answers = list(asked.values())
    assert len({answer[:3] for answer in answers}) == len(answers) > 60
    for *place, value in answers:
        assert value is None or math.isfinite(value), place


def test_the_same_run_gives_the_same_answers(run, asked):
    regimes = {"crypto": (np.arange(run.simulation.ts.size) // 300 % 2).astype(np.int8)}
    again = robustness_of(run, small_account(), PLAN, regimes)
    assert list(again.values()) == list(asked.values())
    assert [ran.digest for ran in again.runs] == [ran.digest for ran in asked.runs]


def test_answers_lie_where_they_must(run, asked):
    answers = told(asked)
    assert answers["control", "costs_x2", "total_return"] < run.metrics.total_return
    assert answers["interval", "sharpe", "low"] < run.metrics.sharpe < answers["interval", "sharpe", "high"]
    assert answers["control", "random", "trials"] == 5
    assert answers["control", "random", "best_median"] > answers["control", "random", "median"]
    single, best = (answers["control", "random", f"percentile_{kind}"] for kind in ("single", "best"))
    assert 0.0 <= best <= single <= 1.0
    assert answers["crisis", "covid", "total_return"] is None
    assert answers["crisis", "spring_2021", "total_return"] is not None
    assert answers["crypto", "risk_on", "share"] + answers["crypto", "risk_off", "share"] == pytest.approx(
        1.0
    )
    assert {name for topic, name, _ in answers if topic == "season"} == {"two bars", "three bars"}


def test_every_run_of_the_kernel_is_recorded_and_few_keep_their_returns(asked):
    kept = {ran.name for ran in asked.runs if ran.daily_returns is not None}
    assert kept == {"hold", "costs_x2", "late"}
    assert sum(ran.name == "random" for ran in asked.runs) == PLAN.random


def test_a_run_that_never_trades_answers_nothing_but_its_benchmark():
    idle = robustness_of(small_run(most=0.0), small_account(most=0.0), PLAN)
    answers = told(idle)
    assert answers["control", "hold", "sharpe"] is not None
    for place, value in answers.items():
        if place[0] == "control" and place[1] != "hold" and place[2] not in {"runs", "trials"}:
            assert value is None, place
    assert [ran.name for ran in idle.runs] == ["hold"]


def test_too_few_random_runs_give_no_percentile(run):
    few = robustness_of(run, small_account(), replace(PLAN, random=FEWEST_RANDOM - 1))
    assert few.random.percentile_best is None
    assert few.random.runs == FEWEST_RANDOM - 1


def test_the_report_shows_the_controls_beside_the_run(run, asked):
    page = report_html(run, {}, asked)
    table = {line[0]: line[1:] for line in table_under(page, "Would it hold")}
    assert table["As run"][0] == f"{100 * run.metrics.total_return:.2f} %"
    assert table["Costs x 2"][0] == f"{100 * asked.doubled.metrics.total_return:.2f} %"
    assert table["One bar late"][1] == f"{100 * asked.late.metrics.cagr:.2f} %"
    assert table["Buy and hold"][3] == f"{100 * asked.hold.metrics.max_drawdown:.2f} %"
    assert table["Random strategies run"] == ["30"]
    gap = next(value for name, value in table.items() if name.startswith("Largest loss if all equity gapped"))
    assert gap == [f"{100 * asked.stress.gap_loss:.2f} %"]
    assert table["Largest fall if all correlations were 0.9"] == [f"{100 * asked.stress.drawdown:.2f} %"]
    storms = {line[0]: line[3:] for line in table_under(page, "Crisis windows")}
    assert storms["covid"] == [DASH] * 5
    assert storms["spring 2021"][0] == f"{100 * asked.crises[0].total_return:.2f} %"
    labels = {line[1]: line for line in table_under(page, "Regimes and seasons")}
    assert labels["risk on"][0] == "Crypto regime"
    intervals = {line[0]: line for line in table_under(page, "Headline numbers") if len(line) == 5}
    assert intervals["Sharpe, daily NAV"][2] == f"{asked.intervals.sharpe.low:.2f}"


def test_a_report_of_a_run_that_was_asked_nothing_has_no_such_pages(run):
    page = report_html(run, {})
    for heading in ("Would it hold", "Crisis windows", "Regimes and seasons", "Strategies"):
        assert f"<h2>{heading}" not in page


def test_a_ruined_control_is_a_dash(run, asked):
    page = report_html(run, {}, replace(asked, doubled=None, break_even_hold=None))
    table = {line[0]: line[1:] for line in table_under(page, "Would it hold")}
    assert table["Costs x 2"] == [DASH] * 6
    assert table["Extra cost a side until holding does as well"] == [DASH]
