"""The ``ledger`` tables of decisions about strategies: steps of their lives, and hold-out windows."""

from warehouse.table import Column, Table, key_column

_SIMULATED = key_column("simulated", "BOOLEAN", "flag", "True in the simulated world, which grants nothing.")
_STRATEGY = key_column("strategy", "VARCHAR", "name", "Strategy.")
_SEQ = key_column("seq", "BIGINT", "count", "Place among the events of the strategy, from 1.")
_HAPPENED_AT = Column("happened_at", "TIMESTAMPTZ", "UTC", "When.", nullable=False)
_OPERATOR = Column("operator", "VARCHAR", "name", "Who.", nullable=False)
_REASON = Column("reason", "VARCHAR", "text", "Why.", nullable=False)
_CODE_VERSION = Column("code_version", "VARCHAR", "version", "Version of the code.", nullable=False)
_CONFIG_HASH = Column("config_hash", "VARCHAR", "SHA-256", "Hash of the configuration.", nullable=False)
_FEED = Column("feed", "VARCHAR", "name", "Feed that was configured.", nullable=False)

LIFECYCLE = Table(
    schema="ledger",
    name="lifecycle",
    description="One step in the life of a strategy, or one approval of it; never changed.",
    columns=(
        _SIMULATED,
        _STRATEGY,
        _SEQ,
        _HAPPENED_AT,
        Column("event", "VARCHAR", "approved | promoted | demoted", "What happened.", nullable=False),
        Column("strategy_version", "VARCHAR", "version", "Version of the strategy.", nullable=False),
        Column("identity", "VARCHAR", "SHA-256", "Hash of version, universe and parameters.", nullable=False),
        Column("from_state", "VARCHAR", "state", "State before.", nullable=False),
        Column(
            "to_state", "VARCHAR", "state", "State after; of an approval the one it is for.", nullable=False
        ),
        _OPERATOR,
        _REASON,
        Column("cause", "VARCHAR", "name", "Of a demotion: operator, or what a runner saw."),
        Column(
            "forced", "BOOLEAN", "flag", "True when a gate that did not pass was overruled.", nullable=False
        ),
        Column("gates_json", "VARCHAR", "JSON", "Every gate: measured, bound, verdict, sentence."),
        Column("run_id", "VARCHAR", "id", "The backtest that the gates were measured on."),
        Column("allowed_budget", "DOUBLE", "fraction", "Largest share of live NAV afterwards."),
        Column("deflated_sharpe", "DOUBLE", "probability", "What scaled it."),
        _FEED,
        _CODE_VERSION,
        _CONFIG_HASH,
    ),
    key=("simulated", "strategy", "seq"),
    policy="once",
    known_at="recorded",
)

HOLDOUTS = Table(
    schema="ledger",
    name="holdouts",
    description="One event of the hold-out windows of a strategy: declared, opened, or what it showed.",
    columns=(
        _SIMULATED,
        _STRATEGY,
        _SEQ,
        _HAPPENED_AT,
        Column("event", "VARCHAR", "declared | opened | shown", "What happened.", nullable=False),
        Column("window_start", "TIMESTAMPTZ", "UTC", "Start of the window.", nullable=False),
        Column("window_end", "TIMESTAMPTZ", "UTC", "End of the window, not included.", nullable=False),
        _OPERATOR,
        _REASON,
        Column("run_id", "VARCHAR", "id", "Of what it showed: the run."),
        _FEED,
        _CODE_VERSION,
        _CONFIG_HASH,
    ),
    key=("simulated", "strategy", "seq"),
    policy="once",
    known_at="recorded",
)

LIFECYCLE_TABLES = (LIFECYCLE, HOLDOUTS)
