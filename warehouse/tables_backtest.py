"""The ``backtest`` and ``ledger`` schemas: results of runs, written once, and the ledger of every trial."""

from warehouse.table import Column, Table, key_column

_RUN = key_column("run_id", "VARCHAR", "id", "The run.")
_SYMBOL = key_column("symbol", "VARCHAR", "name", "Instrument in our spelling.")


def _double(name: str, unit: str, description: str) -> Column:
    return Column(name, "DOUBLE", unit, description)


RUNS = Table(
    schema="backtest",
    name="runs",
    description="One backtest: what was run on what, and its headline numbers; unknown is NULL.",
    columns=(
        _RUN,
        Column("strategy", "VARCHAR", "name", "Strategy.", nullable=False),
        Column("strategy_version", "VARCHAR", "version", "Version of the strategy."),
        Column("kind", "VARCHAR", "research | control | verify | replay", "Why it was run.", nullable=False),
        Column("family", "VARCHAR", "id", "Strategy, universe and window, for counting trials."),
        Column("source", "VARCHAR", "name", "Feed the bars came from."),
        Column("simulated", "BOOLEAN", "flag", "True when run on simulated bars.", nullable=False),
        Column("started_at", "TIMESTAMPTZ", "UTC", "When the run started.", compared=False),
        Column("window_start", "TIMESTAMPTZ", "UTC", "First decision cell."),
        Column("window_end", "TIMESTAMPTZ", "UTC", "End of the window, not included."),
        Column("bars", "BIGINT", "bars", "H4 cells in the window."),
        Column("trades", "BIGINT", "fills", "Number of fills."),
        Column("round_trips", "BIGINT", "trips", "Closed round trips, flat to flat; win rate counts these."),
        Column("open_round_trips", "BIGINT", "trips", "Positions still open at the end."),
        _double("sharpe", "per square-root year", "Annualised Sharpe ratio of daily NAV returns."),
        _double("sharpe_h4", "per square-root year", "The same on H4 returns."),
        _double("sharpe_nw", "per square-root year", "The same with Newey-West variance."),
        _double("sharpe_se", "per square-root year", "Standard error of the Sharpe ratio."),
        _double("cagr", "fraction per year", "Compound annual growth; NULL below a quarter of a year."),
        _double("max_drawdown", "fraction", "Largest fall from a peak of NAV, positive."),
        _double("win_rate", "fraction", "Share of round trips with a profit after costs."),
        _double("bps", "score", "Balanced performance score."),
        _double("turnover", "per year", "Traded notional by mean NAV and year."),
        _double("cost_drag", "fraction per year", "Costs by mean NAV and year."),
        _double("total_return", "fraction", "Return over the window."),
        _double("volatility", "per square-root year", "Annualised standard deviation of daily returns."),
        _double("sortino", "per square-root year", "Sortino ratio."),
        _double("calmar", "ratio", "CAGR by maximal drawdown."),
        _double("profit_factor", "ratio", "Gross profit by gross loss of round trips."),
        _double("initial_nav", "USD", "NAV at the start."),
        _double("final_nav", "USD", "NAV at the end."),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the full series."),
        Column("data_hash", "VARCHAR", "SHA-256", "Digest of the bars that were read."),
        Column("config_hash", "VARCHAR", "SHA-256", "Hash of the values that can change a result."),
        Column("code_version", "VARCHAR", "version", "Version of the code."),
        Column("config_json", "VARCHAR", "JSON", "The configuration itself."),
        Column("flags_json", "VARCHAR", "JSON", "What a reader must know, such as no trades."),
        Column("seconds", "DOUBLE", "seconds", "How long it took.", compared=False),
    ),
    key=("run_id",),
    policy="once",
    known_at="recorded",
)

EQUITY = Table(
    schema="backtest",
    name="equity",
    description="The book at one H4 decision of a run.",
    columns=(
        _RUN,
        key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell."),
        Column("nav", "DOUBLE", "USD", "Net asset value.", nullable=False),
        Column("drawdown", "DOUBLE", "fraction", "Fall from the peak of NAV, positive."),
        Column("cash", "DOUBLE", "USD", "Cash."),
        Column("gross", "DOUBLE", "fraction", "Sum of absolute weights."),
    ),
    key=("run_id", "ts"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

MONTHLY = Table(
    schema="backtest",
    name="monthly",
    description="The return of a run in one calendar month.",
    columns=(
        _RUN,
        key_column("month", "DATE", "UTC", "First day of the month."),
        Column("return_", "DOUBLE", "fraction", "Return of NAV over the month."),
    ),
    key=("run_id", "month"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

FILLS = Table(
    schema="backtest",
    name="fills",
    description="One fill of a run.",
    columns=(
        _RUN,
        key_column("seq", "BIGINT", "count", "Place of the fill in the run, from 0."),
        Column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell it filled in.", nullable=False),
        Column("filled_at", "TIMESTAMPTZ", "UTC", "Instant of the fill.", nullable=False),
        Column("symbol", "VARCHAR", "name", "Instrument in our spelling.", nullable=False),
        Column("side", "VARCHAR", "buy | sell", "Direction.", nullable=False),
        Column("quantity", "DECIMAL(18,8)", "base units", "Quantity, positive."),
        Column("price", "DECIMAL(18,8)", "USD", "Price paid, slippage included."),
        Column("price_before_slippage", "DECIMAL(18,8)", "USD", "Open of the bar."),
        Column("notional", "DECIMAL(28,8)", "USD", "Quantity times price."),
        Column("fee", "DECIMAL(18,8)", "USD", "Fee."),
        Column("slippage", "DECIMAL(18,8)", "USD", "Cost of slippage, positive."),
    ),
    key=("run_id", "seq"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

ROUND_TRIPS = Table(
    schema="backtest",
    name="round_trips",
    description="One trip of a run from zero to zero quantity in one instrument.",
    columns=(
        _RUN,
        _SYMBOL,
        key_column("entered_at", "TIMESTAMPTZ", "UTC", "First fill of the trip."),
        Column("exited_at", "TIMESTAMPTZ", "UTC", "Last fill of the trip; NULL while it is open."),
        Column("bars", "BIGINT", "bars", "H4 cells held."),
        Column("quantity", "DOUBLE", "base units", "Largest quantity held."),
        Column("cost", "DOUBLE", "USD", "Average cost of what was bought, costs inside."),
        Column("pnl", "DOUBLE", "USD", "Profit after all costs."),
        Column("return_", "DOUBLE", "fraction", "Profit by what was bought."),
    ),
    key=("run_id", "symbol", "entered_at"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

ROBUSTNESS = Table(
    schema="backtest",
    name="robustness",
    description="One answer of a run to what is asked beside its numbers; unknown is NULL.",
    columns=(
        _RUN,
        key_column(
            "topic", "VARCHAR", "control | interval | stress | crisis | season | a regime", "What is asked."
        ),
        key_column("name", "VARCHAR", "name", "Control, number, window or label it is about."),
        key_column("measure", "VARCHAR", "name", "What was measured there."),
        Column("value", "DOUBLE", "as the measure", "Fractions, ratios, basis points, money or counts."),
    ),
    key=("run_id", "topic", "name", "measure"),
    policy="once",
    block=("run_id",),
    known_at="recorded",
)

TRIALS = Table(
    schema="ledger",
    name="trials",
    description="One run of the kernel on market data, whatever came of it.",
    columns=(
        key_column("trial_id", "VARCHAR", "id", "The trial."),
        Column("run_id", "VARCHAR", "id", "The run with its result; NULL for members of a population."),
        Column("strategy", "VARCHAR", "name", "Strategy.", nullable=False),
        Column("family", "VARCHAR", "id", "Strategy, universe and overlapping window.", nullable=False),
        Column(
            "kind",
            "VARCHAR",
            "research | control | verify | replay",
            "Why; only research counts.",
            nullable=False,
        ),
        Column("config_hash", "VARCHAR", "SHA-256", "Hash of the configuration.", nullable=False),
        Column("data_hash", "VARCHAR", "SHA-256", "Digest of the bars that were read.", nullable=False),
        Column("code_version", "VARCHAR", "version", "Version of the code."),
        Column("window_start", "TIMESTAMPTZ", "UTC", "First decision cell."),
        Column("window_end", "TIMESTAMPTZ", "UTC", "End of the window, not included."),
        Column("universe", "VARCHAR", "text", "Symbols, sorted, joined by a comma."),
        Column("daily_returns", "FLOAT[]", "fraction", "Daily returns of the headline series."),
        Column(
            "cash_returns",
            "FLOAT[]",
            "fraction",
            "What cash earned on the same days, of which skill is in excess; empty where it earns nothing,"
            " NULL where unknown: without daily returns, and in rows from before this column.",
        ),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the full series."),
        Column("who", "VARCHAR", "name", "Who ran it."),
        Column("ran_at", "TIMESTAMPTZ", "UTC", "When it was run.", compared=False),
    ),
    key=("trial_id",),
    policy="once",
    known_at="recorded",
)

BACKTEST_TABLES = (RUNS, EQUITY, MONTHLY, FILLS, ROUND_TRIPS, ROBUSTNESS, TRIALS)
