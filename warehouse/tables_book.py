"""The ``backtest`` tables of a book: its strategies, what each earned by day, and who owned which target."""

from warehouse.table import Column, Table, key_column

_RUN = key_column("run_id", "VARCHAR", "id", "The run.")
_STRATEGY = key_column("strategy", "VARCHAR", "name", "Strategy in the book.")

MEMBERS = Table(
    schema="backtest",
    name="members",
    description="One strategy of a book and its numbers inside it; unknown is NULL.",
    columns=(
        _RUN,
        _STRATEGY,
        Column("strategy_version", "VARCHAR", "version", "Version of the strategy."),
        Column("universe", "VARCHAR", "text", "Symbols that it may hold, joined by a comma."),
        Column("parameters_json", "VARCHAR", "JSON", "Its parameters."),
        Column("budget", "DOUBLE", "fraction", "Mean budget over the run, after regimes."),
        Column("mean_share", "DOUBLE", "fraction", "Mean gross share of the targets, after the risk rules."),
        Column(
            "pnl",
            "DOUBLE",
            "USD",
            "Profit after costs of what it owned; all sum to the book's but for interest.",
        ),
        Column("contribution", "DOUBLE", "fraction", "Its daily returns on the book's NAV, compounded."),
        Column("sharpe", "DOUBLE", "per square-root year", "Annualised Sharpe ratio of those returns."),
        Column("sharpe_se", "DOUBLE", "per square-root year", "Its standard error."),
        Column("volatility", "DOUBLE", "per square-root year", "Their annualised standard deviation."),
        Column("max_drawdown", "DOUBLE", "fraction", "Largest fall of the compounded returns, positive."),
        Column("cagr", "DOUBLE", "fraction per year", "Their compound annual growth."),
        Column("turnover", "DOUBLE", "per year", "Notional traded for it by the book's mean NAV and year."),
    ),
    key=("run_id", "strategy"),
    policy="once",
    known_at="recorded",
)

MEMBER_DAYS = Table(
    schema="backtest",
    name="member_days",
    description="One strategy of a book on one day.",
    columns=(
        _RUN,
        _STRATEGY,
        key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell that ends the day."),
        Column("budget", "DOUBLE", "fraction", "Budget in force, after regimes."),
        Column("pnl", "DOUBLE", "USD", "Profit after costs since the day before."),
        Column("return_", "DOUBLE", "fraction", "The same by the book's NAV of the day before."),
    ),
    key=("run_id", "strategy", "ts"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

ATTRIBUTION = Table(
    schema="backtest",
    name="attribution",
    description="One part of a target at a decision at which something changed; it holds until the next one.",
    columns=(
        _RUN,
        key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell; the decision is taken at its end."),
        key_column("symbol", "VARCHAR", "name", "Instrument in our spelling."),
        key_column(
            "kind",
            "VARCHAR",
            "strategy | rule | term",
            "Shares sum to the target; rules lead from weights to it; terms lead from it to what was held.",
        ),
        key_column("part", "VARCHAR", "name", "The strategy, the risk rule or the term."),
        Column("weight", "DOUBLE", "fraction", "Budget times weight of a strategy before the risk rules."),
        Column("contribution", "DOUBLE", "fraction", "Its part, a fraction of NAV.", nullable=False),
    ),
    key=("run_id", "ts", "symbol", "kind", "part"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

BOOK_TABLES = (MEMBERS, MEMBER_DAYS, ATTRIBUTION)
