"""Drive a search through the door for populations: ask, look up what is known, run the rest, tell.

A parameter set is run once in a search, however often it is asked for; what an interrupted run has stored is
looked up the same way, so a resumed search asks for the same points and ends in the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from assets.trial_population import Member, run_population, stored_members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assets.market_context import MarketContext
    from assets.trial_population import Search
    from pipeline.config.search import Objective
    from pipeline.optimization.search import Plan


class Progress(Protocol):
    """Told how far a search is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take the part that goes on, the members that are done and how many there will be at most."""
        ...


def quiet(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def run_members(
    market: MarketContext,
    search: Search,
    plan: Plan,
    objectives: Sequence[Objective],
    *,
    threads: int,
    progress: Progress = quiet,
) -> list[Member]:
    """Run a plan to its end and return every distinct member in the order in which it first ran.

    Parameters
    ----------
    market
        What members run on.
    search
        The run; members that are stored under its id are not run again.
    plan
        The search.
    objectives
        What the search is told of each member.
    threads
        How many members run at once.
    progress
        Told before every block and at the end.
    """
    from pipeline.optimization.goals import goals_of

    known = {member.config_hash: member for member in stored_members(market, search)}
    seen: dict[str, Member] = {}
    asked, block = 0, 0
    try:
        points = next(plan.search)
        while True:
            stage = plan.stage(block)
            progress(stage, asked, plan.members)
            hashes = _hashes(market, points)
            fresh = {h: p for h, p in zip(hashes, points, strict=True) if h not in known}
            for member in (
                run_population(
                    market,
                    search,
                    list(fresh.values()),
                    list(fresh),
                    first=len(known),
                    stage=stage,
                    threads=threads,
                )
                if fresh
                else ()
            ):
                known[member.config_hash] = member
            seen |= {h: known[h] for h in hashes}
            asked, block = asked + len(points), block + 1
            points = plan.search.send(goals_of([known[h].metrics for h in hashes], objectives))
    except StopIteration:
        progress("members done", plan.members, plan.members)
        return sorted(seen.values(), key=lambda member: member.number)


def _hashes(market: MarketContext, points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the configuration hash of each point, as a run with these parameters alone would have it."""
    legal = [market.parameters(point).model_dump(mode="json") for point in points]
    full = [
        {**market.configured, **{name: values[name] for name in point}}
        for values, point in zip(legal, points, strict=True)
    ]
    return market.desk.loaded.hash_with(market.strategy.name, full)
