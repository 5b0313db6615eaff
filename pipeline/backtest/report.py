"""The report of a run: one HTML file that opens offline and leads with what a reader must know.

Its order and words are here, its numbers in `report_headline` and `report_tables`, its doubts in
`report_robustness`, its charts in `report_charts`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.backtest import report_charts as charts
from pipeline.backtest import report_headline as first
from pipeline.backtest import report_robustness as doubts
from pipeline.backtest import report_tables as tables
from pipeline.backtest.pictures import title_of
from pipeline.backtest.report_page import note, page, section, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.backtest.result import BacktestResult
    from pipeline.backtest.robustness import Robustness


def report_html(result: BacktestResult, row: Mapping[str, Any], asked: Robustness | None = None) -> str:
    """Return the report as one self-contained HTML document (4.8 MB, nearly all of it plotly).

    Parameters
    ----------
    result
        The run.
    row
        Its identity and headline numbers as stored; a number that is None shows as a dash.
    asked
        What it answered beside its numbers; None: nothing was asked.

    Returns
    -------
    str
        The same text for the same arguments; it loads nothing from anywhere.
    """
    simulated = result.provenance.simulated
    part = partial(section, simulated=simulated)
    traded = result.simulation.fills.size > 0
    title = f"{title_of(result)} - SIMULATED" if simulated else title_of(result)
    closed = result.metrics.round_trips > 0
    intervals = None if asked is None else asked.intervals
    body = (
        _banner(result),
        "<main>",
        _top(result, row),
        first.cards(result, row, intervals),
        part("What a reader must know", first.flags(result)),
        part("Headline numbers", first.headline(result, row, intervals)),
        part("Would it hold", doubts.controls(result, asked)) if asked else "",
        part("Crisis windows", doubts.windows(asked)) if asked and asked.crises else "",
        part("Regimes and seasons", doubts.labels(asked.parts)) if asked and asked.parts else "",
        part("Strategies", doubts.strategies(result.book)) if result.book else "",
        part("Equity and drawdown", charts.equity(result, None if asked is None else asked.hold)),
        part("Monthly returns", tables.months(result)),
        part("Under water", tables.drawdowns(result)),
        part("Weights", charts.weights(result) + note(_WEIGHTS)) if traded else "",
        part("Positions, units held", charts.positions(result)) if traded else "",
        part("Round trips", charts.trip_returns(result) if closed else "", tables.round_trips(result)),
        part("Costs", charts.paid(result) if traded else "", tables.costs(result)),
        part("Trades", tables.trades(result)),
        part("Settings and hashes", first.settings(result, row)),
        "</main>",
    )
    return page(title, "\n".join(body), charts.plotly_script())


_WEIGHTS = "Areas: target weights after all limits. Line: what was held, which drifts with prices."


def _banner(result: BacktestResult) -> str:
    if not result.provenance.simulated:
        return ""
    source = text(result.provenance.source)
    return f'<div class="simulated">SIMULATED: the prices of feed {source} are made up</div>'


def _top(result: BacktestResult, row: Mapping[str, Any]) -> str:
    named = f"Run {row['run_id']}, " if row.get("run_id") else ""
    window = f"{tables.instant(result.start)} to {tables.instant(result.end)} UTC"
    versions = f"{result.version}, " if result.book else ""
    lead = f"{named}{versions}{', '.join(result.universe)} from {result.provenance.source}, {window}"
    name = result.strategy if result.book else f"{result.strategy} {result.version}"
    return f'<h1>{text(name)}</h1><p class="lead">{text(lead)}</p>'
