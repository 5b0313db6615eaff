"""Drive a search through the door for populations: ask, look up what is known, run the rest, tell.

A parameter set is run once in a search, however often it is asked for; what an interrupted run has stored is
looked up the same way, so a resumed search asks for the same points and ends in the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from assets.backtest.population import Member, run_population, stored_members
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assets.backtest.context import MarketContext
    from assets.backtest.population import Search
    from pipeline.arrays import Float2D
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
) -> tuple[list[Member], int]:
    """Run a plan to its end.

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

    Returns
    -------
    tuple
        Every distinct member in the order in which it first ran, and how many points the strategy's model
        did not take: those are not run, and the search is told that nothing is known of them.

    Raises
    ------
    ConfigError
        When the model takes none of the points.
    """
    known = {member.config_hash: member for member in stored_members(market, search)}
    seen: dict[str, Member] = {}
    asked, block, refused = 0, 0, 0
    try:
        points = next(plan.search)
        while True:
            stage = plan.stage(block)
            progress(stage, asked, plan.members)
            hashes = _hashes(market, points)
            refused += hashes.count(None)
            fresh = {h: p for h, p in zip(hashes, points, strict=True) if h is not None and h not in known}
            if fresh:
                done = run_population(
                    market, search, list(fresh.values()), list(fresh),
                    first=len(known), stage=stage, threads=threads,
                )  # fmt: skip
                known |= {member.config_hash: member for member in done}
            members = [None if h is None else known[h] for h in hashes]
            seen |= {member.config_hash: member for member in members if member is not None}
            asked, block = asked + len(points), block + 1
            points = plan.search.send(_goals(members, objectives))
    except StopIteration:
        progress("statistics", plan.members, plan.members)
    if not seen:
        raise ConfigError(
            "the strategy takes none of the parameter sets of the search",
            field="experiment",
            value=refused,
            constraint="values that the strategy's model takes together",
            fix="correct the ranges of the experiment file",
        )
    return sorted(seen.values(), key=lambda member: member.number), refused


def _goals(members: Sequence[Member | None], objectives: Sequence[Objective]) -> Float2D:
    from pipeline.optimization.goals import FIELDS, goals_of

    unknown = dict.fromkeys(FIELDS.values())
    return goals_of([unknown if member is None else member.metrics for member in members], objectives)


def _hashes(market: MarketContext, points: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return the configuration hash of each point, as a run with these parameters alone would have it.

    None for a point whose values the strategy's model does not take together.
    """
    full = [_full(market, point) for point in points]
    hashes = iter(
        market.desk.loaded.hash_with(market.strategy.name, [each for each in full if each is not None])
    )
    return [None if each is None else next(hashes) for each in full]


def _full(market: MarketContext, point: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        values = market.parameters(point).model_dump(mode="json")
    except ConfigError:
        return None  # counted by the caller and told in the answer
    return {**market.configured, **{name: values[name] for name in point}}
