"""Every table of the warehouse, collected; look a table up here by its name."""

from types import MappingProxyType

from pipeline.errors import ComponentNotFoundError
from warehouse.table import Table
from warehouse.tables_attestations import ATTESTATION_TABLES, ATTESTATIONS
from warehouse.tables_backtest import (
    BACKTEST_TABLES,
    EQUITY,
    FILLS,
    MONTHLY,
    ROBUSTNESS,
    ROUND_TRIPS,
    RUNS,
    TRIALS,
)
from warehouse.tables_book import ATTRIBUTION, BOOK_TABLES, MEMBER_DAYS, MEMBERS
from warehouse.tables_chain import BLOCKS, CHAIN_TABLES, METRICS_DAILY
from warehouse.tables_features import FEATURE_TABLES, FEATURES_H4
from warehouse.tables_lifecycle import HOLDOUTS, LIFECYCLE, LIFECYCLE_TABLES
from warehouse.tables_market import (
    CORPORATE_ACTIONS,
    INSTRUMENTS,
    MACRO,
    MARKET_TABLES,
    OHLCV_DAILY,
    OHLCV_H4,
    QUARANTINE,
    TRUTH,
)
from warehouse.tables_meta import ARTIFACTS, DIGESTS, INGESTS, MANIFESTS, META_TABLES, MIGRATIONS, SPOOLED
from warehouse.tables_optimization import EXPERIMENTS, FOLDS, OPTIMIZATION_TABLES, RESULTS
from warehouse.tables_regimes import REGIME_TABLES, REGIMES_H4, TRANSITIONS
from warehouse.tables_valuation import BACKTESTS, BOARD, MODELS, PREDICTIONS, VALUATION_TABLES

TABLES: MappingProxyType[str, Table] = MappingProxyType(
    {
        t.full_name: t
        for t in (
            *MARKET_TABLES,
            *CHAIN_TABLES,
            *FEATURE_TABLES,
            *REGIME_TABLES,
            *BACKTEST_TABLES,
            *BOOK_TABLES,
            *OPTIMIZATION_TABLES,
            *ATTESTATION_TABLES,
            *LIFECYCLE_TABLES,
            *VALUATION_TABLES,
            *META_TABLES,
        )
    }
)
"""``schema.name`` to declaration, in the order of creation."""


def table(full_name: str) -> Table:
    """Return the declaration of ``schema.name``.

    Raises
    ------
    ComponentNotFoundError
        When no such table is declared.
    """
    found = TABLES.get(full_name)
    if found is None:
        raise ComponentNotFoundError(
            "no such table", field="table", value=full_name, constraint=f"one of {', '.join(TABLES)}"
        )
    return found


__all__ = [
    "ARTIFACTS",
    "ATTESTATIONS",
    "ATTRIBUTION",
    "BACKTESTS",
    "BLOCKS",
    "BOARD",
    "CORPORATE_ACTIONS",
    "DIGESTS",
    "EQUITY",
    "EXPERIMENTS",
    "FEATURES_H4",
    "FILLS",
    "FOLDS",
    "HOLDOUTS",
    "INGESTS",
    "INSTRUMENTS",
    "LIFECYCLE",
    "MACRO",
    "MANIFESTS",
    "MEMBERS",
    "MEMBER_DAYS",
    "METRICS_DAILY",
    "MIGRATIONS",
    "MODELS",
    "MONTHLY",
    "OHLCV_DAILY",
    "OHLCV_H4",
    "PREDICTIONS",
    "QUARANTINE",
    "REGIMES_H4",
    "RESULTS",
    "ROBUSTNESS",
    "ROUND_TRIPS",
    "RUNS",
    "SPOOLED",
    "TABLES",
    "TRANSITIONS",
    "TRIALS",
    "TRUTH",
    "VALUATION_TABLES",
    "table",
]
