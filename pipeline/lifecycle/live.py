"""From paper to live: what trading on paper must have shown beside the backtest.

Nothing measures these facts before the desk trades on paper; until then they are None, and the gates refuse.
"""

from dataclasses import dataclass

from pipeline.lifecycle.gates import UNKNOWN_BAND, Band, Bound, Gate, gate

DAYS = 60
ROUND_TRIPS = 20
PARITY = 1e-9
DAYS_FOR_SHARPE = 365
SHARPE = 0.8
MISSING = "the desk must trade it on paper first"


@dataclass(frozen=True)
class PaperFacts:
    """What is known of a strategy's time on paper; a band is (low, high).

    Attributes
    ----------
    days, round_trips
        Calendar days since its first paper decision, and closed round trips.
    signal_mismatches
        Decisions whose weights differ from a backtest over the same bars.
    parity_gap
        Largest part of the NAV difference to that backtest which no term explains, a fraction of NAV.
    cost_bps, cost_band
        Mean cost a side, and the 90 % band of its posterior.
    return_, return_band
        Return so far, and the 5 to 95 % band of the backtest's bootstrap over as many days.
    drawdown, drawdown_band
        Largest fall so far, and the same band of it.
    sharpe
        Annual Sharpe ratio so far; asked for only after a year.
    """

    days: int | None = None
    round_trips: int | None = None
    signal_mismatches: int | None = None
    parity_gap: float | None = None
    cost_bps: float | None = None
    cost_band: Band = UNKNOWN_BAND
    return_: float | None = None
    return_band: Band = UNKNOWN_BAND
    drawdown: float | None = None
    drawdown_band: Band = UNKNOWN_BAND
    sharpe: float | None = None


def live_gates(facts: PaperFacts) -> tuple[Gate, ...]:
    """Return the gates of the step to live; approvals are counted elsewhere."""
    judged: list[tuple[str, float | None, Bound | Band, str]] = [
        ("paper_days", facts.days, Bound(">=", DAYS), "Days on paper"),
        ("paper_round_trips", facts.round_trips, Bound(">=", ROUND_TRIPS), "Closed round trips on paper"),
        (
            "signal_mismatches",
            facts.signal_mismatches,
            Bound("==", 0.0),
            "Decisions on paper that a backtest over the same bars takes otherwise",
        ),
        (
            "parity",
            facts.parity_gap,
            Bound("<=", PARITY),
            "Difference to that backtest that no term explains",
        ),
        (
            "costs",
            facts.cost_bps,
            facts.cost_band,
            "Cost a side in bp, in the posterior's 90 % band",
        ),
        ("paper_return", facts.return_, facts.return_band, "Return, in the backtest's 5 to 95 % band"),
        ("paper_drawdown", facts.drawdown, facts.drawdown_band, "Largest fall, in the backtest's band"),
    ]
    if facts.days is not None and facts.days >= DAYS_FOR_SHARPE:
        judged.append(("paper_sharpe", facts.sharpe, Bound(">=", SHARPE), "Sharpe ratio after a year"))
    return tuple(gate(*each, MISSING) for each in judged)
