"""The charts of a report, drawn by plotly in the reader's browser: a result in, an HTML fragment out.

Series carry a start and a step in place of times and 32-bit values: they are for the eye only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.backtest.pictures import deepest_shown
from pipeline.backtest.report_page import text
from pipeline.calendar.grid import CELL64
from pipeline.pictures import BAD, FRAME, GOOD, INK, LINE, SERIES, WEAK

if TYPE_CHECKING:
    from pipeline.arrays import Float2D, Int1D
    from pipeline.backtest.result import BacktestResult, Simulation

_MOST_ASSETS = 12
_BINS = 40
_CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [["toImage", "resetScale2d"]]}


def equity(result: BacktestResult, hold: Simulation | None = None) -> str:
    """Return NAV, linear or logarithmic, over its drawdown.

    What holding would have made waits in the legend: it may dwarf the run.
    """
    from plotly.subplots import make_subplots

    done = result.simulation
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.04)
    figure.add_scatter(
        **_every_bar(done, done.nav), name="NAV", line={"color": LINE, "width": 1.4}, row=1, col=1,
        hovertemplate="%{y:,.0f}",
    )  # fmt: skip
    figure.add_scatter(
        **_every_bar(done, -done.drawdown), name="Drawdown", line={"color": BAD, "width": 1}, row=2, col=1,
        fill="tozeroy", fillcolor="rgba(192,86,33,0.22)", hovertemplate="%{y:.2%}", showlegend=False,
    )  # fmt: skip
    if hold is not None:
        figure.add_scatter(
            **_every_bar(hold, hold.nav), name="Buy and hold (click to show)", visible="legendonly",
            line={"color": WEAK, "width": 1}, row=1, col=1, hovertemplate="%{y:,.0f}", showlegend=True,
        )  # fmt: skip
    figure.add_hline(y=done.initial_nav, line={"color": WEAK, "width": 1, "dash": "dot"}, row=1, col=1)
    kinds = [
        {"label": label, "method": "relayout", "args": [{"yaxis.type": kind, "yaxis.autorange": True}]}
        for label, kind in (("Linear", "linear"), ("Log", "log"))
    ]
    switch = {
        "type": "buttons", "direction": "right", "buttons": kinds, "x": 0, "xanchor": "left", "y": 1.01,
        "yanchor": "bottom", "pad": {"b": 4, "t": 0}, "font": {"size": 12}, "bordercolor": FRAME,
        "showactive": True,
    }  # fmt: skip
    figure.update_layout(updatemenus=[switch], showlegend=hold is not None)
    figure.update_yaxes(title_text="NAV", tickformat="~s", row=1, col=1)
    figure.update_yaxes(
        title_text="Drawdown", tickformat=".2~%", range=[-deepest_shown(result), 0.0], row=2, col=1
    )
    return _fragment(figure, "equity", 520, legend_at="right")


def weights(result: BacktestResult) -> str:
    """Return target weights after all limits, stacked, with the exposure that was really held."""
    import plotly.graph_objects as go

    done = result.simulation
    rows = _changes(done.target)
    at = _instants(done, rows)
    figure = go.Figure()
    for place, (name, column) in enumerate(_largest(done.symbols, done.target)):
        figure.add_scatter(
            x=at, y=column[rows].astype(np.float32), name=text(name), stackgroup="targets",
            line={"width": 0, "shape": "hv", "color": SERIES[place % len(SERIES)]}, hovertemplate="%{y:.1%}",
        )  # fmt: skip
    figure.add_scatter(
        **_every_bar(done, done.gross), name="Held, all assets", line={"color": INK, "width": 0.8},
        hovertemplate="%{y:.1%}",
    )  # fmt: skip
    figure.update_yaxes(title_text="Share of NAV", tickformat=".0%", rangemode="tozero")
    return _fragment(figure, "weights", 340)


def positions(result: BacktestResult) -> str:
    """Return the units held of each asset, one strip below the other."""
    from plotly.subplots import make_subplots

    done = result.simulation
    held = [column for column in range(len(done.symbols)) if done.quantity[:, column].any()][:_MOST_ASSETS]
    figure = make_subplots(rows=len(held), cols=1, shared_xaxes=True, vertical_spacing=0.12 / len(held))
    for place, column in enumerate(held):
        rows = _changes(done.quantity[:, column : column + 1])
        name = text(done.symbols[column])
        colour = SERIES[place % len(SERIES)]
        figure.add_scatter(
            x=_instants(done, rows), y=done.quantity[rows, column].astype(np.float32), name=name,
            line={"width": 1.2, "shape": "hv", "color": colour}, fill="tozeroy", row=place + 1, col=1,
            hovertemplate="%{y:,.6~g}",
        )  # fmt: skip
        figure.update_yaxes(title_text=name, row=place + 1, col=1, nticks=4)
    figure.update_layout(showlegend=False)
    return _fragment(figure, "positions", 90 + 110 * len(held))


def trip_returns(result: BacktestResult) -> str:
    """Return how many closed round trips ended with which return after costs."""
    import plotly.graph_objects as go

    done = result.simulation
    gains = done.trips["return_"][~np.isnat(done.exited_at)]
    counts, middles, width = bins(gains)
    colours = [GOOD if middle > 0.0 else BAD for middle in middles]
    figure = go.Figure()
    figure.add_bar(
        x=middles, y=counts, width=0.94 * width, marker={"color": colours}, name="Round trips",
        hovertemplate="%{y} round trips around %{x:.1%}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0.0, line={"color": INK, "width": 1})
    figure.update_layout(showlegend=False, hovermode="closest")
    figure.update_xaxes(title_text="Return after costs", tickformat=".1~%", type="linear")
    figure.update_yaxes(title_text="Round trips")
    return _fragment(figure, "trips", 300)


def bins(values: np.ndarray) -> tuple[list[int], list[float], float]:
    """Return counts, middles and width of at most 40 even bins, one edge of which is zero."""
    span = float(values.max() - values.min())
    size = float(np.abs(values).max())
    width = (span or size or 0.01) / min(_BINS - 2, max(8, int(np.sqrt(values.size) * 2)))
    places = np.floor(values / width).astype(np.int64)
    first = int(places.min())
    counts = np.bincount(places - first)
    middles = (first + np.arange(counts.size) + 0.5) * width
    return counts.tolist(), middles.tolist(), width


def paid(result: BacktestResult) -> str:
    """Return fees and slippage as they added up."""
    import plotly.graph_objects as go

    done, fills = result.simulation, result.simulation.fills
    rows, last = np.unique(fills["row"][::-1], return_index=True)
    at, last = _instants(done, rows), fills.size - 1 - last
    figure = go.Figure()
    for name, colour in (("fee", LINE), ("slippage", SERIES[1])):
        figure.add_scatter(
            x=at, y=np.cumsum(fills[name])[last].astype(np.float32), name=f"{name.title()} so far",
            stackgroup="costs", line={"width": 0.8, "color": colour, "shape": "hv"},
            hovertemplate="%{y:,.0f}",
        )  # fmt: skip
    figure.update_yaxes(title_text="Money", tickformat="~s")
    return _fragment(figure, "costs", 280)


def plotly_script() -> str:
    """Return plotly's JavaScript, which the page carries once so that it opens offline."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _every_bar(done: Simulation, values: np.ndarray) -> dict[str, Any]:
    """Return a series on the gapless H4 axis; each value stands at the instant of its decision."""
    step = int(CELL64.astype("timedelta64[ms]").astype(np.int64))
    return {"x0": _instants(done, np.zeros(1, np.int64))[0], "dx": step, "y": values.astype(np.float32)}


def _instants(done: Simulation, rows: Int1D) -> list[str]:
    return (done.ts[rows] + CELL64).astype("datetime64[m]").astype(str).tolist()


def _changes(values: Float2D) -> Int1D:
    """Return the rows at which anything changes, with the first and the last."""
    moved = np.any(values[1:] != values[:-1], axis=1)
    chosen = np.concatenate([[True], moved])
    chosen[-1] = True
    return np.flatnonzero(chosen)


def _largest(symbols: tuple[str, ...], values: Float2D) -> list[tuple[str, np.ndarray]]:
    """Return the columns ever used, at most twelve: the smallest of many are summed as others."""
    size = np.abs(values).sum(axis=0)
    used = [column for column in range(len(symbols)) if size[column] > 0.0]
    if len(used) <= _MOST_ASSETS:
        return [(symbols[column], values[:, column]) for column in used]
    order = sorted(used, key=lambda column: (-size[column], column))
    kept, others = sorted(order[: _MOST_ASSETS - 1]), order[_MOST_ASSETS - 1 :]
    named = [(symbols[column], values[:, column]) for column in kept]
    return [*named, (f"{len(others)} others", values[:, others].sum(axis=1))]


def _fragment(figure: Any, name: str, height: int, *, legend_at: str = "left") -> str:
    import plotly.graph_objects as go

    figure.update_layout(
        template=go.layout.Template(), height=height, autosize=True, paper_bgcolor="white",
        plot_bgcolor="white", hovermode=figure.layout.hovermode or "x unified",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        margin={"l": 62, "r": 12, "t": 38, "b": 34},
        legend={"orientation": "h", "x": float(legend_at == "right"), "xanchor": legend_at, "y": 1.02,
                "yanchor": "bottom", "traceorder": "normal"},
    )  # fmt: skip
    figure.update_xaxes(showgrid=False, automargin=True, linecolor=FRAME, ticks="outside", tickcolor=FRAME)
    figure.update_yaxes(automargin=True, gridcolor="#e4e7eb", zerolinecolor=FRAME)
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=f"chart-{name}", config=_CONFIG, default_height=height
    )
    return f'<div class="chart">{drawn}</div>'
