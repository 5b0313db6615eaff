"""The pages of a report that ask whether to believe it: controls, crisis windows, regimes, strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.backtest.controls import MOST_EXTRA_BPS
from pipeline.backtest.report_page import UNKNOWN, note, pairs, shown, table
from pipeline.backtest.stress import CORRELATION, GAPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.backtest.by_label import Part
    from pipeline.backtest.members import BookParts, MemberResult
    from pipeline.backtest.metrics import Metrics
    from pipeline.backtest.result import BacktestResult, Simulation
    from pipeline.backtest.robustness import Robustness

_DIMENSIONS = {
    "equity": "Equity regime",
    "vol": "Volatility regime",
    "crypto": "Crypto regime",
    "macro": "Macro regime",
    "season": "Session of New York",
}
_HARD = 0.95


def controls(result: BacktestResult, asked: Robustness) -> str:
    """Return the run beside what it becomes in a less kind world, and beside holding and luck."""
    variants = (
        ("As run", result.simulation),
        ("Costs x 2", asked.doubled),
        ("One bar late", asked.late),
        ("Buy and hold", asked.hold),
    )
    rows = [(name, *_headline(variant)) for name, variant in variants]
    head = ("", "Total return", "CAGR", "Sharpe", "Largest drawdown", "Turnover", "Exposure")
    limits = [
        ("Extra cost a side until nothing is earned", _bps(asked.break_even)),
        ("Extra cost a side until holding does as well", _bps(asked.break_even_hold)),
        ("Capacity: NAV at which the volume cap cuts 5 % of orders", shown(asked.capacity, "money")),
        (f"Largest loss if {_gaps()} between two bars", shown(asked.stress.gap_loss, "percent")),
        (f"Largest fall if all correlations were {CORRELATION:g}", shown(asked.stress.drawdown, "percent")),
    ]
    return (
        table(head, rows)
        + f'<div class="columns"><div>{pairs(limits, "How much it bears")}</div>'
        + f"<div>{pairs(_luck(asked), 'Against random strategies that trade alike')}</div></div>"
        + note(_CONTROLS)
    )


_CONTROLS = (
    "Late: each order fills one bar of its asset later. Buy and hold: the universe, bought once in equal "
    "weights; a dash for the extra cost: the run is behind it even at no cost. Random strategies have the "
    "run's exposure, turnover and holding times, and its timing by lot."
)


def _ratio(holder: Metrics | Part | MemberResult) -> str:
    """Return a Sharpe ratio with its standard error, as far as they are known."""
    error = "" if holder.sharpe_se is None else f" ± {shown(holder.sharpe_se, 'ratio')}"
    return shown(holder.sharpe, "ratio") + error


def _headline(done: Simulation | None) -> tuple[str, ...]:
    if done is None:
        return (UNKNOWN,) * 6
    numbers = done.metrics
    return (
        shown(numbers.total_return, "percent"),
        shown(numbers.cagr, "percent"),
        _ratio(numbers),
        shown(numbers.max_drawdown, "percent"),
        shown(numbers.turnover, "ratio"),
        shown(numbers.mean_exposure, "percent"),
    )


def _gaps() -> str:
    return " and ".join(f"all {name} gapped by {shown(move, 'percent')}" for name, move in GAPS.items())


def _luck(asked: Robustness) -> list[tuple[str, str]]:
    random = asked.random
    lines = [
        ("Random strategies run", shown(random.runs, "count")),
        (
            "Their Sharpe: median, 95 % quantile",
            f"{shown(random.median, 'ratio')}, {shown(random.high, 'ratio')}",
        ),
        ("Share of them beaten by this run", shown(random.percentile_single, "percent")),
        (
            f"Configurations tried: {random.trials:,}; bests of as many beaten",
            shown(random.percentile_best, "percent"),
        ),
    ]
    if random.percentile_best is not None:
        lines.append(("Beats 95 % of those bests", "yes" if random.percentile_best >= _HARD else "no"))
    return lines


def _bps(extra: float | None) -> str:
    if extra is None:
        return UNKNOWN
    return f"over {MOST_EXTRA_BPS:,.0f} bp" if extra >= MOST_EXTRA_BPS else f"{shown(extra, 'ratio')} bp"


def windows(asked: Robustness) -> str:
    """Return the crisis windows; one that the run does not cover has dashes."""
    head = (
        "Window",
        "First day",
        "Until",
        "Return",
        "Drawdown",
        "Exposure",
        "Holding: return",
        "Holding: drawdown",
    )
    rows = [
        (
            each.name.replace("_", " "),
            str(each.window.start),
            str(each.window.end),
            shown(each.total_return, "percent"),
            shown(each.max_drawdown, "percent"),
            shown(each.mean_exposure, "percent"),
            shown(each.hold_return, "percent"),
            shown(each.hold_drawdown, "percent"),
        )
        for each in asked.crises
    ]
    return table(head, rows, words=3) + note("A dash: the run does not cover the whole window.")


def labels(parts: Mapping[str, tuple[Part, ...]]) -> str:
    """Return the run under each label of each dimension."""
    head = (
        "",
        "Label",
        "Share of days",
        "Return",
        "Sharpe",
        "Largest drawdown",
        "Exposure",
        "Holding: return",
    )
    rows = [
        (
            _DIMENSIONS.get(dimension, dimension),
            part.label.replace("_", " "),
            shown(part.share, "percent"),
            shown(part.total_return, "percent"),
            _ratio(part),
            shown(part.max_drawdown, "percent"),
            shown(part.mean_exposure, "percent"),
            shown(part.hold_return, "percent"),
        )
        for dimension, each in parts.items()
        for part in each
    ]
    return table(head, rows, words=2) + note(
        "A day counts for the label that was in force when the day before ended; its days are put end to end."
    )


def strategies(book: BookParts) -> str:
    """Return what each strategy of a book contributed, and how alike they were."""
    head = (
        "Strategy",
        "Version",
        "Mean budget",
        "Mean share",
        "Trades",
        "Profit",
        "Contribution",
        "Sharpe",
        "Drawdown",
        "Turnover",
    )
    rows = [
        (
            each.strategy,
            each.version,
            shown(each.budget, "percent"),
            shown(each.mean_share, "percent"),
            shown(each.trades, "count"),
            shown(each.pnl, "money"),
            shown(each.contribution, "percent"),
            _ratio(each),
            shown(each.max_drawdown, "percent"),
            shown(each.turnover, "ratio"),
        )
        for each in book.members
    ]
    return table(head, rows, words=2) + note(_STRATEGIES) + _alike(book)


_STRATEGIES = (
    "Profit after costs, with dividends, of what each owns of every position; the profits add up to the "
    "book's but for interest on cash, which belongs to nobody. Contribution: its daily profits by the book's "
    "NAV, compounded. Trades: fills of which it paid a part; one that serves two strategies counts for both."
)


def _alike(book: BookParts) -> str:
    """Return the correlations of the strategies; nothing for a single one."""
    if len(book.members) == 1:
        return ""
    names = [member.strategy for member in book.members]
    rows = [
        (name, *(shown(float(value), "ratio") for value in line))
        for name, line in zip(names, book.correlations, strict=True)
    ]
    return table(("Correlation", *names), rows) + note(
        "Of daily profits by the book's NAV; a dash: one of the two never moved."
    )
