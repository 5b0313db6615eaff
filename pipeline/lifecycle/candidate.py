"""From research to candidate: what a stored backtest must show.

The bounds are those of the desk's definitions and stand here once; a fact that nobody measured is None.
"""

from dataclasses import dataclass

from pipeline.lifecycle.gates import Bound, Gate, gate

SHARPE = 1.0
REALITY_CHECK_P = 0.10
MAX_DRAWDOWN = 0.25
YEARS = 2.0
ROUND_TRIPS = 20


@dataclass(frozen=True)
class CandidateFacts:
    """What is known of one backtest of exactly the configured strategy.

    Attributes
    ----------
    sharpe, sharpe_low
        Annual Sharpe ratio, and the 5 % quantile of its block bootstrap (the lower end of the 90 % interval).
    reality_check_p
        White's p of this run among all trials of its family on the same window, data and code.
    excess
        Annual mean return beyond holding the universe at the run's mean exposure, a fraction.
    max_drawdown
        Largest fall, positive.
    years
        Length of the window.
    round_trips
        Closed round trips over all symbols.
    leaks
        Cells that the newest look-ahead proof of this version and code found changed, leaks that it missed
        and false alarms; 0 is a clean proof.
    correlation_drawdown
        The largest fall, scaled by how much more the same book would have moved with all correlations at 0.9.
    gap_loss, drawdown_halt
        Largest loss of the book in a gap of -10 % in equities and -40 % in crypto between two bars, and the
        drawdown at which the desk halts; fractions of NAV.
    """

    sharpe: float | None = None
    sharpe_low: float | None = None
    reality_check_p: float | None = None
    excess: float | None = None
    max_drawdown: float | None = None
    years: float | None = None
    round_trips: int | None = None
    leaks: int | None = None
    correlation_drawdown: float | None = None
    gap_loss: float | None = None
    drawdown_halt: float = 0.20


def candidate_gates(facts: CandidateFacts, run: str, proof: str) -> tuple[Gate, ...]:
    """Return the gates of the step to candidate.

    Parameters
    ----------
    facts
        What was measured.
    run, proof
        What makes a missing number of a run, and a missing look-ahead proof.
    """
    halt = facts.drawdown_halt
    judged: tuple[tuple[str, float | None, Bound, str, str], ...] = (
        ("sharpe", facts.sharpe, Bound(">=", SHARPE), "Annual Sharpe ratio of daily returns", run),
        ("sharpe_low", facts.sharpe_low, Bound(">", 0.0), "Lower end of its 90 % interval", run),
        (
            "reality_check_p",
            facts.reality_check_p,
            Bound("<=", REALITY_CHECK_P),
            "Chance that the best of all trials of the family looks as good without skill",
            run,
        ),
        (
            "excess",
            facts.excess,
            Bound(">", 0.0),
            "Annual return beyond holding the universe at the same mean exposure",
            run,
        ),
        ("max_drawdown", facts.max_drawdown, Bound("<=", MAX_DRAWDOWN), "Largest fall from a peak", run),
        ("years", facts.years, Bound(">=", YEARS), "Length of the backtest in years", run),
        ("round_trips", facts.round_trips, Bound(">=", ROUND_TRIPS), "Closed round trips, all symbols", run),
        (
            "lookahead",
            facts.leaks,
            Bound("==", 0.0),
            "Cells changed, planted leaks missed and false alarms of the look-ahead proof",
            proof,
        ),
        (
            "correlation_stress",
            facts.correlation_drawdown,
            Bound("<=", MAX_DRAWDOWN),
            "Largest fall of the same book if all correlations were 0.9",
            run,
        ),
        (
            "gap_stress",
            facts.gap_loss,
            Bound("<", halt),
            "Largest loss if equities gap by -10 % and crypto by -40 % between two bars, against the halt",
            run,
        ),
    )
    return tuple(gate(*each) for each in judged)
