"""The ``features`` schema: the standard set at every H4 bar, for people, checks and the UI.

Names, units and descriptions are those of ``pipeline/features/registry.py``; a test compares them.
"""

from warehouse.table import Column, Table, key_column

STANDARD_COLUMNS: tuple[Column, ...] = (
    Column("log_return", "DOUBLE", "log fraction", "Log return of the close over one bar."),
    Column("sma_20", "DOUBLE", "quote currency", "Simple moving average of the close, 20 bars."),
    Column("ema_20", "DOUBLE", "quote currency", "Exponential moving average of the close, 20 bars."),
    Column("rsi_14", "DOUBLE", "0 to 100", "Wilder's relative strength index over 14 bars."),
    Column("atr_14", "DOUBLE", "quote currency", "Wilder's average true range, 14 bars."),
    Column("bb_mid_20", "DOUBLE", "quote currency", "Middle Bollinger band, 20 bars."),
    Column("bb_upper_20_2", "DOUBLE", "quote currency", "Upper Bollinger band, 20 bars, 2 deviations."),
    Column("bb_lower_20_2", "DOUBLE", "quote currency", "Lower Bollinger band, 20 bars, 2 deviations."),
    Column("momentum_10", "DOUBLE", "fraction", "Simple return of the close over 10 bars."),
    Column("volatility_30", "DOUBLE", "per bar", "Standard deviation of log returns over 30 bars."),
    Column("close_d", "DOUBLE", "quote currency", "Last daily close known at the decision."),
    Column("sma_200d", "DOUBLE", "quote currency", "Simple moving average of daily closes, 200 sessions."),
    Column("momentum_126d", "DOUBLE", "fraction", "Simple return over 126 sessions."),
    Column("momentum_252d", "DOUBLE", "fraction", "Simple return over 252 sessions."),
    Column("closes_missed_d", "DOUBLE", "sessions", "Expected daily closes missed since the last known one."),
)

FEATURES_H4 = Table(
    schema="features",
    name="h4",
    description="The standard features of one asset as known at the decision of one H4 cell.",
    columns=(
        key_column("feed", "VARCHAR", "name", "Source configuration of the bars."),
        key_column("symbol", "VARCHAR", "name", "Instrument in our spelling."),
        key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell; the decision is four hours later."),
        *STANDARD_COLUMNS,
        Column("version", "VARCHAR", "version", "Version of the feature registry that computed the row."),
        Column("simulated", "BOOLEAN", "flag", "True when made from simulated bars.", nullable=False),
    ),
    key=("feed", "symbol", "ts"),
    time="ts",
    block=("feed", "symbol"),
)

FEATURE_TABLES = (FEATURES_H4,)
