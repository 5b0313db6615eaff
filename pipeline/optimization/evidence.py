"""How much of a search's best is luck: every statistic of `luck` on one search, in one frozen record.

Pure: returns of members, of the rest of the family and of buy-and-hold go in; who ran them is the door's
business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float1D, Float2D
from pipeline.backtest.cash import beyond_cash
from pipeline.optimization.luck.bootstrap import Intervals, Trips, intervals
from pipeline.optimization.luck.deflated import DeflatedSharpe, deflated_among, in_excess
from pipeline.optimization.luck.effective import effective_trials
from pipeline.optimization.luck.overfitting import Overfitting, pbo
from pipeline.optimization.luck.reality_check import RealityCheck, reality_check
from pipeline.optimization.luck.stability import StabilityMap, stability_map
from pipeline.optimization.luck.ties import Standing, standing
from pipeline.optimization.luck.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Family:
    """Trials of the family that the search did not run, on the same days.

    Parameters
    ----------
    returns
        Shape ``(trials, days)``.
    cash
        What cash earned in each on those days, shape ``(trials, days)``; None: nothing in any.
    exposure
        Mean exposure of each, shape ``(trials,)``.
    n_trials
        N: distinct trials of the family on overlapping windows, those of the search among them.
    """

    returns: Float2D
    cash: Float2D | None
    exposure: Float1D
    n_trials: int


@dataclass(frozen=True, eq=False)
class Luck:
    """The luck statistics of one search.

    Parameters
    ----------
    deflated
        Of the best member, in excess of buy-and-hold at its mean exposure.
    raw
        The same on its plain returns, shown beside it.
    check
        White's and Hansen's tests over the family.
    overfitting
        By combinatorially symmetric cross-validation over the members.
    effective
        Independent trials that the members amount to; shown, never used.
    intervals
        Of the best member's headline numbers.
    stability
        Scores over the space.
    standing
        Which members tie with the best by Sharpe ratio.
    """

    deflated: DeflatedSharpe
    raw: DeflatedSharpe
    check: RealityCheck
    overfitting: Overfitting
    effective: float | None
    intervals: Intervals
    stability: StabilityMap
    standing: Standing

    @property
    def verdict(self) -> Verdict:
        """Skill when both tests see it, no skill when one would have seen it and does not."""
        both = (self.deflated.verdict, self.check.verdict)
        if all(verdict is Verdict.SKILL for verdict in both):
            return Verdict.SKILL
        return Verdict.NO_SKILL if Verdict.NO_SKILL in both else Verdict.UNDECIDED


def luck_of(
    returns: Float2D,
    exposure: Float1D,
    best: int,
    *,
    benchmark: Float1D,
    cash: Float1D | None,
    family: Family,
    years: float,
    trips: Trips,
    points: Sequence[Mapping[str, Any]],
    scores: Float1D,
    error: float | None,
    seed: int,
) -> Luck:
    """Return the luck statistics of a search.

    Parameters
    ----------
    returns, exposure
        Daily returns ``(members, days)`` and mean exposure ``(members,)`` of the members.
    best
        Row of the member that the search chose.
    benchmark
        Daily returns of buy-and-hold on the same days.
    cash
        What cash earned on the same days, of which everything but growth and drawdown is in excess; None or
        empty: nothing.
    family
        What else was tried.
    years
        Length of the window.
    trips
        Round trips of the best member.
    points, scores
        Parameters and score of each member, NaN where unknown.
    error
        Standard error of the best score, what counts as as good; None: the map's own choice.
    seed
        Of every bootstrap.
    """
    excess = in_excess(returns, benchmark, exposure, cash)
    others = in_excess(family.returns, benchmark, family.exposure, family.cash)
    everyone = np.concatenate([excess, others]) if others.size else excess
    own, theirs = beyond_cash(returns, cash), beyond_cash(family.returns, family.cash)
    plain = np.concatenate([own, theirs]) if others.size else own
    return Luck(
        deflated=deflated_among(everyone, best, family.n_trials, years),
        raw=deflated_among(plain, best, family.n_trials, years),
        check=reality_check(everyone, seed=seed, years=years),
        overfitting=pbo(own),
        effective=effective_trials(own),
        intervals=intervals(returns[best], years, seed=seed, trips=trips, cash=cash),
        stability=stability_map(points, scores, tolerance=error),
        standing=standing(own, years),
    )
