"""The report of a search: one HTML file that opens offline and leads with how much of the best is luck.

Its order and words are here, its tables in `report_sections`; the doubts about the best run are those of any
run (`pipeline.backtest.report_robustness`).
"""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.backtest import report_robustness as doubts
from pipeline.backtest.report_page import note, page, section, text
from pipeline.optimization import report_sections as parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.backtest.result import BacktestResult
    from pipeline.backtest.robustness import Robustness


def report_html(
    record: Mapping[str, Any],
    *,
    run: BacktestResult,
    asked: Robustness,
    top: Sequence[Mapping[str, Any]],
    folds: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, bytes],
) -> str:
    """Return the report as one self-contained HTML document.

    Parameters
    ----------
    record
        The search as commands print it.
    run, asked
        The best member's run and what it was asked.
    top
        The best members: rank, parameters, numbers.
    folds
        Out-of-sample judgements as ``optimization.folds`` has them.
    pictures
        PNG by name: ``stability``, ``generations``, ``paths``.

    Returns
    -------
    str
        The same text for the same arguments; it loads nothing from anywhere.
    """
    simulated = bool(record["simulated"])
    part = partial(section, simulated=simulated)
    made_up = " - SIMULATED" if simulated else ""
    walked = [fold for fold in folds if fold["kind"] == "walk_forward"]
    split = [fold for fold in folds if fold["kind"] == "cpcv"]
    body = (
        parts.banner(record),
        "<main>",
        parts.top(record),
        parts.cards(record),
        part("Skill or luck", parts.readings_of(record), parts.luck(record), note(_LUCK)),
        part("Guard rails", parts.guards(record)),
        part("The best member", parts.best(record)),
        part("Out of sample", image(pictures["paths"], "growth"), parts.out_of_sample(record), note(_OUT)),
        part("Would it hold", doubts.controls(run, asked)),
        part("Crisis windows", doubts.windows(asked)) if asked.crises else "",
        part("Plateau or spike", image(pictures["stability"], "stability map"), parts.stability(record)),
        part("The search", image(pictures["generations"], "scores by stage"), parts.members(top)),
        part("Walk-forward choices", parts.folds(walked)) if walked else "",
        part("Cross-validation splits", parts.folds(split)) if split else "",
        part("Settings and hashes", parts.identity(record)),
        "</main>",
    )
    return page(f"{record['experiment']}{made_up}", "\n".join(body), "")


def image(png: bytes, alt: str) -> str:
    """Return a PNG inside the page."""
    coded = base64.b64encode(png).decode()
    return f'<img class="chart" alt="{text(alt)}" src="data:image/png;base64,{coded}">'


_LUCK = (
    "Skill needs both tests, the deflated Sharpe and Hansen's SPA. Sharpe ratios are beyond what cash "
    "earned, and those of both tests beyond holding the universe at the same exposure too. Near-copies among "
    "the trials each count in N, and together once in how far the trials spread."
)
_OUT = (
    "Walk-forward is one account that holds what the window before chose; switching is paid for. "
    "Cross-validation joins choices of purged splits and pays no switches."
)
