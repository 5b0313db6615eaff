"""What a member of a search costs, and how much of that the strategy takes: plain Python or compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.backtest.context import MarketContext
    from pipeline.strategies.port import Parameters

MOST = 8
"""Members that are timed once more."""


def speed_of(market: MarketContext, params: Sequence[Parameters]) -> dict[str, Any]:
    """Time some members once more, after they have run: their weights alone, then weights and accounts.

    Returns
    -------
    dict
        ``vectorised`` (whether the strategy answers for many parameter sets at once), ``strategy_ms`` and
        ``account_ms`` of one member, and ``slowdown``: weights and account by the account alone, None where
        the clock was too coarse to see the account.
    """
    from pipeline.backtest.population import evaluate
    from pipeline.strategies.asking import weights_many_of

    chosen, clock = list(params[:MOST]), market.desk.clock
    context = market.context(chosen)
    begun = clock.monotonic()
    weights_many_of(context, market.strategy, chosen)
    asked = clock.monotonic()
    evaluate(
        context,
        market.strategy,
        chosen,
        rules=market.rules,
        assets=market.assets,
        initial_nav=market.initial_nav,
        start=market.window[0],
        end=market.window[1],
    )
    done = clock.monotonic()
    strategy, whole = asked - begun, done - asked
    account = whole - strategy
    return {
        "vectorised": getattr(market.strategy, "weights_many", None) is not None,
        "strategy_ms": 1e3 * strategy / len(chosen),
        "account_ms": 1e3 * account / len(chosen) if account > 0.0 else None,
        "slowdown": whole / account if account > 0.0 else None,
    }
