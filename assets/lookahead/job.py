"""The Dagster job ``lookahead``: the look-ahead proof of the graph it lives in, on the configured source."""

from collections.abc import Sequence

import dagster as dg

from assets.lookahead.proof import Extent, attest, prove_graph
from pipeline.config.load import Loaded
from pipeline.errors import RefusedError
from resources.chain.port import ChainSource
from resources.clock import Clock
from resources.desk import Desk
from resources.home import Home
from resources.logs import Logs
from resources.market.port import MarketSource
from warehouse.store import Warehouse


class LookaheadConfig(dg.Config):
    """How much is proved."""

    perturbations: int = 1000
    cuts: int = 50
    seed: int = 8


def lookahead_job(assets: Sequence[dg.AssetsDefinition]) -> dg.JobDefinition:
    """Return the job that proves these assets, which are the whole graph."""

    @dg.op(name="prove")
    def prove(
        context: dg.OpExecutionContext,
        config: LookaheadConfig,
        market: dg.ResourceParam[MarketSource],
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        settings: dg.ResourceParam[Loaded],
        home: dg.ResourceParam[Home],
        logs: dg.ResourceParam[Logs],
        chain: dg.ResourceParam[ChainSource],
    ) -> None:
        """Replace, drop and shuffle what became known later, and compare every cell known before.

        Leaves an attestation of every asset and strategy in ``ledger.attestations``; fails when a known cell
        changed, a planted leak was missed, an honest twin was flagged, or an asset is not driven.
        """
        desk = Desk(settings, home, clock, warehouse, market, logs, chain)
        extent = Extent(config.perturbations, config.cuts, config.seed)
        verdict = prove_graph(desk, assets, extent)
        numbers = verdict.numbers() | {"attestation_id": attest(desk, verdict, extent)}
        context.add_output_metadata({name: _shown(value) for name, value in numbers.items()})
        if not verdict.holds:
            raise RefusedError(
                "something of the graph looks ahead, or the proof is not whole",
                field="lookahead",
                value={name: numbers[name] for name in ("changed_cells", "missed", "flagged", "undriven")},
                constraint="no known cell changes, every planted leak is caught, every asset is driven",
                fix="run `bells verify lookahead`: it names the first cells that changed",
            )

    @dg.job(
        description="Proves that no asset and no strategy looks ahead; more than a thousand other futures.",
        executor_def=dg.in_process_executor,
    )
    def lookahead() -> None:
        prove()

    return lookahead


def _shown(value: object) -> dg.MetadataValue:
    if isinstance(value, dict | list):
        return dg.MetadataValue.json(value)
    return (
        dg.MetadataValue.float(float(value))
        if isinstance(value, int | float)
        else dg.MetadataValue.text(str(value))
    )
