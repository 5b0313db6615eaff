"""Named questions that people and commands ask of the warehouse; each sees only newest, finished rows.

``{market.ohlcv_h4}`` in a query stands for the view of that table's newest visible versions.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.errors import ComponentNotFoundError, ConfigError
from warehouse.asof import visible
from warehouse.table import Table
from warehouse.tables import TABLES, table

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import duckdb
    import polars as pl

_TABLE = re.compile(r"\{([a-z_0-9.]+)\}")


@dataclass(frozen=True)
class Query:
    """One named question.

    Parameters
    ----------
    description
        What it answers.
    sql
        The query; ``$name`` are its parameters.
    parameters
        Names of the parameters; one that is not given is NULL, which means no restriction.
    """

    description: str
    sql: str
    parameters: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The query with the tables put in."""
        return _TABLE.sub(lambda m: f"{table(m[1]).full_name}_now", self.sql)


QUERIES: MappingProxyType[str, Query] = MappingProxyType(
    {
        "coverage": Query(
            "Rows, first and last bar of every feed, symbol and timeframe.",
            "SELECT feed, symbol, timeframe, count(*) AS rows, min(ts) AS first, max(ts) AS last,"
            " max(known_at) AS last_known_at, bool_or(simulated) AS simulated FROM ("
            " SELECT feed, symbol, 'h4' AS timeframe, ts, known_at, simulated FROM {market.ohlcv_h4}"
            " UNION ALL"
            " SELECT feed, symbol, 'daily', ts, known_at, simulated FROM {market.ohlcv_daily}"
            " UNION ALL"
            " SELECT feed, series, 'macro', ts, known_at, simulated FROM {market.macro})"
            " WHERE $feed IS NULL OR feed = $feed GROUP BY ALL ORDER BY ALL",
            ("feed",),
        ),
        "chain": Query(
            "Rows, first and last day of every feed of the chain, by table.",
            "SELECT feed, 'metrics_daily' AS kind, count(*) AS rows, min(ts) AS first, max(ts) AS last,"
            " max(height) AS height, bool_or(simulated) AS simulated FROM {chain.metrics_daily}"
            " WHERE $feed IS NULL OR feed = $feed GROUP BY feed"
            " UNION ALL SELECT feed, 'blocks', count(*), min(ts), max(ts), max(height), bool_or(simulated)"
            " FROM {chain.blocks} WHERE $feed IS NULL OR feed = $feed GROUP BY feed ORDER BY ALL",
            ("feed",),
        ),
        "quarantined": Query(
            "Rows in quarantine by feed, dataset, symbol and rule.",
            "SELECT feed, dataset, symbol, rule, severity, count(*) AS rows, min(ts) AS first,"
            " max(ts) AS last"
            " FROM {market.quarantine} WHERE $feed IS NULL OR feed = $feed GROUP BY ALL ORDER BY ALL",
            ("feed",),
        ),
        "runs": Query(
            "Backtests, newest first.",
            "SELECT * FROM {backtest.runs} WHERE ($strategy IS NULL OR strategy = $strategy)"
            " AND ($source IS NULL OR source = $source)"
            " AND ($version IS NULL OR strategy_version = $version OR starts_with(code_version, $version))"
            " AND ($since IS NULL OR started_at >= $since) AND ($until IS NULL OR started_at < $until)"
            " ORDER BY known_at DESC, run_id",
            ("strategy", "source", "version", "since", "until"),
        ),
        "run": Query("One backtest.", "SELECT * FROM {backtest.runs} WHERE run_id = $run_id", ("run_id",)),
        "equity": Query(
            "The equity curve of a run.",
            "SELECT ts, nav, drawdown, cash, gross FROM {backtest.equity} WHERE run_id = $run_id ORDER BY ts",
            ("run_id",),
        ),
        "cash_earned": Query(
            "Whether cash earned interest in a run; NULL where unknown.",
            "SELECT len(cash_returns) > 0 AS earned FROM {ledger.trials} WHERE trial_id = $run_id",
            ("run_id",),
        ),
        "members": Query(
            "The strategies of a book, the largest budget first.",
            "SELECT * EXCLUDE (run_id, known_at) FROM {backtest.members}"
            " WHERE run_id = $run_id ORDER BY budget DESC, strategy",
            ("run_id",),
        ),
        "attribution": Query(
            "Who owned the targets of a book at the last decision of a cell up to `until`, by symbol.",
            "SELECT ts, symbol, kind, part, weight, contribution FROM {backtest.attribution}"
            " WHERE run_id = $run_id AND ($symbol IS NULL OR symbol = $symbol)"
            " AND ($until IS NULL OR ts <= $until)"
            " QUALIFY ts = max(ts) OVER (PARTITION BY symbol)"
            " ORDER BY symbol, kind, part",
            ("run_id", "symbol", "until"),
        ),
        "trials": Query(
            "Distinct research configurations tried, by family; controls and verification never count.",
            "SELECT family, count(DISTINCT (config_hash, data_hash, coalesce(code_version, '')))"
            " FILTER (kind = 'research') AS trials, count(*) AS rows, max(known_at) AS last"
            " FROM {ledger.trials} WHERE $family IS NULL OR family = $family GROUP BY family ORDER BY family",
            ("family",),
        ),
        "family_trials": Query(
            "Distinct research trials of a family whose windows overlap one; what luck is counted by.",
            "SELECT family, count(DISTINCT (config_hash, data_hash, coalesce(code_version, ''))) AS trials,"
            " count(DISTINCT config_hash) AS configurations"
            " FROM {ledger.trials} WHERE kind = 'research' AND family = $family"
            " AND window_start < $window_end AND window_end > $window_start GROUP BY family",
            ("family", "window_start", "window_end"),
        ),
        "family_returns": Query(
            "Daily returns, what cash earned and mean exposure of the distinct research trials of a family on"
            " one window.",
            "SELECT t.config_hash, t.daily_returns, t.cash_returns,"
            " coalesce(r.mean_exposure, e.gross) AS exposure"
            " FROM {ledger.trials} t LEFT JOIN {optimization.results} r ON r.trial_id = t.trial_id"
            " LEFT JOIN (SELECT run_id, avg(gross) AS gross FROM {backtest.equity} WHERE run_id IN"
            " (SELECT run_id FROM {ledger.trials} WHERE family = $family) GROUP BY run_id) e"
            " ON e.run_id = t.run_id"
            " WHERE t.kind = 'research' AND t.family = $family AND t.data_hash = $data_hash"
            " AND t.window_start = $window_start AND t.window_end = $window_end"
            " AND coalesce(t.code_version, '') = $code_version"
            " QUALIFY row_number() OVER (PARTITION BY t.config_hash ORDER BY t.trial_id) = 1"
            " ORDER BY t.config_hash",
            ("family", "data_hash", "code_version", "window_start", "window_end"),
        ),
        "family_series": Query(
            "Daily returns, what cash earned and mean exposure of every configuration of a family tried on"
            " one window, the newest of each, whatever data and code it ran on.",
            "SELECT t.config_hash, t.daily_returns, t.cash_returns,"
            " coalesce(r.mean_exposure, e.gross) AS exposure"
            " FROM {ledger.trials} t LEFT JOIN {optimization.results} r ON r.trial_id = t.trial_id"
            " LEFT JOIN (SELECT run_id, avg(gross) AS gross FROM {backtest.equity} WHERE run_id IN"
            " (SELECT run_id FROM {ledger.trials} WHERE family = $family) GROUP BY run_id) e"
            " ON e.run_id = t.run_id"
            " WHERE t.kind = 'research' AND t.family = $family"
            " AND t.window_start = $window_start AND t.window_end = $window_end"
            " QUALIFY row_number() OVER (PARTITION BY t.config_hash ORDER BY t.trial_id DESC) = 1"
            " ORDER BY t.config_hash",
            ("family", "window_start", "window_end"),
        ),
        "lifecycle": Query(
            "What happened to a strategy in one world, oldest first.",
            "SELECT * FROM {ledger.lifecycle} WHERE strategy = $strategy AND simulated = $simulated"
            " ORDER BY seq",
            ("strategy", "simulated"),
        ),
        "holdouts": Query(
            "What happened to hold-out windows in one world, by strategy, oldest first.",
            "SELECT * FROM {ledger.holdouts} WHERE simulated = $simulated"
            " AND ($strategy IS NULL OR strategy = $strategy) ORDER BY strategy, seq",
            ("strategy", "simulated"),
        ),
        "attestations": Query(
            "Look-ahead proofs of a strategy on a feed, newest first.",
            "SELECT * FROM {ledger.attestations} WHERE what = 'strategy' AND name = $strategy"
            " AND feed = $feed ORDER BY known_at DESC, attestation_id DESC",
            ("strategy", "feed"),
        ),
        "experiments": Query(
            "Finished searches, newest first.",
            "SELECT * FROM {optimization.experiments} WHERE $experiment IS NULL OR name = $experiment"
            " ORDER BY known_at DESC, experiment_id DESC",
            ("experiment",),
        ),
        "experiment_results": Query(
            "The members of a search in the order in which they ran.",
            "SELECT * FROM {optimization.results} WHERE experiment_id = $experiment_id ORDER BY member",
            ("experiment_id",),
        ),
        "unfinished_experiments": Query(
            "Searches that were stopped: what they kept, newest first.",
            "SELECT experiment_id, any_value(name) AS name, any_value(search_hash) AS search_hash,"
            " count(*) AS members, max(known_at) AS last FROM {optimization.results}"
            " WHERE experiment_id NOT IN (SELECT experiment_id FROM {optimization.experiments})"
            " AND ($search_hash IS NULL OR search_hash = $search_hash)"
            " GROUP BY experiment_id ORDER BY last DESC, experiment_id DESC",
            ("search_hash",),
        ),
        "manifests": Query(
            "Manifests, newest first.",
            "SELECT * FROM {meta.manifests} WHERE $table_name IS NULL OR table_name = $table_name"
            " ORDER BY manifest_id DESC",
            ("table_name",),
        ),
        "migrations": Query("Changes of the schema.", "SELECT * FROM {meta.migrations} ORDER BY number"),
    }
)


def run(
    session: "Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]",
    name: str,
    parameters: Mapping[str, object],
) -> "pl.DataFrame":
    """Return the answer of a named query.

    Raises
    ------
    ComponentNotFoundError
        When there is no such query.
    ConfigError
        When a parameter is not the query's.
    """
    found = QUERIES.get(name)
    if found is None:
        raise ComponentNotFoundError(
            "no such query", field="query", value=name, constraint=f"one of {', '.join(QUERIES)}"
        )
    foreign = sorted(set(parameters) - set(found.parameters))
    if foreign:
        raise ConfigError(
            f"query {name} has no such parameter",
            field=foreign[0],
            constraint=f"one of {', '.join(found.parameters) or 'none'}",
        )
    values = {p: parameters.get(p) for p in found.parameters}
    with session() as cursor:
        return (cursor.execute(found.text, values) if values else cursor.execute(found.text)).pl()


def duplicates(declared: Table) -> str:
    """Return the query that counts versions stored twice: the same key at the same two clocks."""
    keys = ", ".join(declared.key)
    return (
        f"SELECT count(*) FROM (SELECT {keys} FROM {declared.full_name} WHERE {visible().sql}"
        f" GROUP BY {keys}, known_at, recorded_at HAVING count(*) > 1)"
    )


def sizes() -> str:
    """Return the query for the rows of every table, unfinished writes and old versions included."""
    return " UNION ALL ".join(
        f"SELECT '{name}' AS table_name, count(*) AS rows FROM {name}" for name in TABLES
    )
