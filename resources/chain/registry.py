"""Chain sources by name: the only place that knows which adapters exist, and what ``auto`` means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from resources.chain.nothing import NoChain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config.chain import ChainSettings
    from resources.chain.port import ChainSource
    from resources.clock import Clock
    from resources.market.port import MarketSource


def open_chain(
    settings: ChainSettings,
    *,
    market: MarketSource,
    environ: Mapping[str, str],
    clock: Clock,
) -> ChainSource:
    """Return the configured chain source; nothing is read or asked yet.

    Parameters
    ----------
    settings
        ``chain.yaml``.
    market
        The market source that it goes with.
    environ
        Where the node's credentials are named.
    clock
        What adapters wait by.

    Raises
    ------
    ConfigError
        When the source does not go with the market source.
    """
    from resources.market.files import FilesSource

    name = settings.source
    if name == "auto":
        other = "sample" if market.feed == "sample" else "coinmetrics"
        name = "files" if isinstance(market, FilesSource) else other
    if name == "none":
        return NoChain(market.feed, "chain.source is none")
    if name == "sample":
        from resources.chain.sample import SampleChainSource

        _require(market.simulated, "sample", market, ("a simulated market source", "sample"))
        return SampleChainSource(settings.sample, market.history)
    if name == "files":
        _require(isinstance(market, FilesSource), "files", market, ("the files market source", "files"))
        return _files(market)
    if name == "coinmetrics":
        from resources.chain.coinmetrics import CoinMetrics

        return CoinMetrics(settings.coinmetrics, clock)
    from resources.chain.node import Node

    _require(not market.simulated, "node", market, ("a market source of real prices", "ccxt"))
    return Node(settings.node, environ, clock)


def _files(market: MarketSource) -> ChainSource:
    from resources.chain.files import FilesChain
    from resources.market.files import FilesSource

    assert isinstance(market, FilesSource)  # noqa: S101 - required before
    if market.chain is None:
        return NoChain(market.feed, "the mapping has no chain part")
    return FilesChain(market.chain, market.base, market.feed, market.named_end)


def _require(fits: bool, name: str, market: MarketSource, wanted: tuple[str, str]) -> None:
    """Raise where they do not go together; ``wanted``: what does, and an example by name."""
    if not fits:
        constraint, example = wanted
        raise ConfigError(
            "the chain source does not go with the market source",
            field="chain.source",
            value=name,
            constraint=f"{constraint}, not {market.feed}",
            fix=f"set source to {example} (EIGHTBELLS_SOURCE), or chain.source to auto",
        )
