"""One place where settings, home, clock, warehouse and market source come together.

Both ``definitions.py`` and the ``bells`` command open a desk, so they cannot disagree on what is configured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.config.load import load_settings
from resources.chain.nothing import NoChain
from resources.chain.registry import open_chain
from resources.clock import SystemClock
from resources.home import ROOT, Home
from resources.logs import Logs
from resources.market.registry import open_source
from warehouse.session import SessionSettings
from warehouse.store import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.config.load import Loaded
    from resources.chain.port import ChainSource
    from resources.clock import Clock
    from resources.market.port import MarketSource


@dataclass(frozen=True)
class Desk:
    """Everything a job needs, as plain objects.

    Parameters
    ----------
    loaded
        Settings with the origin of every field.
    home
        Where state lives.
    clock
        The only thing that knows the time.
    warehouse
        The DuckDB store.
    market
        The configured market source.
    logs
        The JSON-line streams: trades, orders, performance, regime, errors.
    chain
        The configured source of the chain's days and blocks.
    """

    loaded: Loaded
    home: Home
    clock: Clock
    warehouse: Warehouse
    market: MarketSource
    logs: Logs
    chain: ChainSource = field(default=NoChain("none", "this desk was opened without the chain"))


def open_desk(
    environ: Mapping[str, str],
    *,
    overrides: Mapping[str, object] | None = None,
    experiment: Path | None = None,
    clock: Clock | None = None,
) -> Desk:
    """Load the settings and open what they name; nothing is written, the warehouse is not touched yet.

    Raises
    ------
    ConfigError
        When a setting is wrong; the message names the field and where it came from.
    """
    loaded = load_settings(root=ROOT, overrides=overrides, environ=environ, experiment=experiment)
    system = loaded.settings.system
    home = Home.from_environ(environ)
    ticking = clock or SystemClock()
    store = system.warehouse
    warehouse = Warehouse(
        loaded.root / store.path if store.path else home.warehouse,
        now=ticking.now,
        settings=SessionSettings(
            timeout_s=store.timeout_s, memory_limit=store.memory_limit, threads=store.threads
        ),
        chunk_rows=store.chunk_rows,
        spool=home.spool,
        urgent_wait_s=store.urgent_wait_s,
    )
    market = open_source(
        system.source,
        root=ROOT,
        data_dir=loaded.data_dir,
        mapping=system.files_mapping,
        venues=system.venues_settings,
        environ=environ,
        clock=ticking,
        instruments=loaded.settings.instruments,
    )
    logs = Logs.from_settings(system.logging, home.logs, now=ticking.now, environ=environ)
    chain = open_chain(loaded.settings.chain, market=market, environ=environ, clock=ticking)
    return Desk(
        loaded=loaded, home=home, clock=ticking, warehouse=warehouse, market=market, logs=logs, chain=chain
    )
