"""The ``valuation`` schema: fits of models, forecasts, how wrong they were, and the board.

``config`` names the settings that a row was made with, so that other settings add rows and contradict none.
"""

from warehouse.table import Column, Table, key_column

_FEED = key_column("feed", "VARCHAR", "name", "Source of the chain metrics.")
_MODEL = key_column("model", "VARCHAR", "name", "Valuation model.")
_CONFIG = key_column("config", "VARCHAR", "hash", "The valuation settings that gave the row.")
_HORIZON = key_column("horizon_days", "INTEGER", "days", "From the origin to the price forecast.")
_SIMULATED = Column("simulated", "BOOLEAN", "flag", "True when made from simulated data.", nullable=False)


def _share(name: str, text: str) -> Column:
    return Column(name, "DOUBLE", "fraction", text)


_MAPE = _share("mape", "Mean absolute error, by the price.")
_RMSE_LOG = Column("rmse_log", "DOUBLE", "ln price", "Root of the mean squared error of ln price.")
_COVERAGE = tuple(
    _share(f"coverage_{level}", f"Share of prices inside the {level} % interval, out of sample.")
    for level in (68, 95)
)


MODELS = Table(
    schema="valuation",
    name="models",
    description="One fit of a valuation model to everything that was known before a day.",
    columns=(
        _FEED,
        _MODEL,
        _CONFIG,
        key_column("ts", "TIMESTAMPTZ", "UTC", "The day it was fitted for; only rows dated before it count."),
        Column("first_day", "TIMESTAMPTZ", "UTC", "First row of the sample.", nullable=False),
        Column("last_day", "TIMESTAMPTZ", "UTC", "Last row of the sample.", nullable=False),
        Column("n", "INTEGER", "rows", "Rows in the sample.", nullable=False),
        Column("parameters_json", "VARCHAR", "JSON", "The fitted parameters.", nullable=False),
        Column("diagnostics_json", "VARCHAR", "JSON", "Diagnostics of the residuals.", nullable=False),
        _share("r_squared", "Share of variance explained in the sample; evidence of nothing."),
        Column("residual_sd", "DOUBLE", "ln price", "Standard deviation of the residuals."),
        _SIMULATED,
    ),
    key=("feed", "model", "config", "ts"),
    time="ts",
    block=("feed", "model"),
)

PREDICTIONS = Table(
    schema="valuation",
    name="predictions",
    description="One forecast of the BTC price: made on a day from rows before it, by the fit then in force.",
    columns=(
        _FEED,
        _MODEL,
        _CONFIG,
        _HORIZON,
        key_column("ts", "TIMESTAMPTZ", "UTC", "Origin: 00:00 of the day it is made."),
        Column("target", "TIMESTAMPTZ", "UTC", "The instant whose price is forecast.", nullable=False),
        Column("predicted_price", "DOUBLE", "USD", "The forecast.", nullable=False),
        Column(
            "lower_68",
            "DOUBLE",
            "USD",
            "Lower end of the 68 % interval; NULL before there were errors to take it from.",
        ),
        Column("upper_68", "DOUBLE", "USD", "Upper end of the 68 % interval."),
        Column("lower_95", "DOUBLE", "USD", "Lower end of the 95 % interval."),
        Column("upper_95", "DOUBLE", "USD", "Upper end of the 95 % interval."),
        Column("last_price", "DOUBLE", "USD", "Price at the origin."),
        _share("deviation", "Price at the origin over the forecast, less one."),
        Column("zone", "VARCHAR", "undervalued | fair | overvalued | unknown", "What that is called."),
        Column("fitted", "TIMESTAMPTZ", "UTC", "The day of the fit in force.", nullable=False),
        _SIMULATED,
    ),
    key=("feed", "model", "config", "horizon_days", "ts"),
    time="ts",
    block=("feed", "model"),
)

BACKTESTS = Table(
    schema="valuation",
    name="backtests",
    description="How wrong the walk-forward forecasts of a model were at one horizon.",
    columns=(
        _FEED,
        _MODEL,
        _CONFIG,
        _HORIZON,
        key_column("ts", "TIMESTAMPTZ", "UTC", "The newest origin that counts."),
        Column("start", "TIMESTAMPTZ", "UTC", "The first origin.", nullable=False),
        Column("n", "INTEGER", "forecasts", "Forecasts with a price to compare with.", nullable=False),
        Column("failed", "INTEGER", "days", "Days without a forecast, for a reason given.", nullable=False),
        Column("mae", "DOUBLE", "USD", "Mean absolute error."),
        _MAPE,
        Column("rmse", "DOUBLE", "USD", "Root of the mean squared error."),
        _RMSE_LOG,
        _share("direction_accuracy", "Share of steps in which forecast and price moved the same way."),
        Column("sharpe_ratio", "DOUBLE", "per root year", "Of the traded signal, after costs."),
        _share("max_drawdown", "Greatest loss from a peak of the traded signal."),
        *_COVERAGE,
        _SIMULATED,
    ),
    key=("feed", "model", "config", "horizon_days", "ts"),
    time="ts",
    block=("feed", "model"),
)

BOARD = Table(
    schema="valuation",
    name="board",
    description="What is left of a model at one horizon when random walks are put through the same pipeline.",
    columns=(
        _FEED,
        _MODEL,
        _CONFIG,
        _HORIZON,
        key_column("ts", "TIMESTAMPTZ", "UTC", "The newest origin that counts."),
        Column("n", "INTEGER", "forecasts", "Forecasts with a price to compare with."),
        _MAPE,
        _RMSE_LOG,
        _share("skill", "1 - MSE / MSE of the last price, of ln errors."),
        _share("skill_drift", "1 - MSE / MSE of the last price with the drift so far, of ln errors."),
        _share("p", "Share of random walks with at least that skill: the worst of the three drifts."),
        _share("power", "Chance to find the fitted structure, were it true."),
        *_COVERAGE,
        Column(
            "verdict", "VARCHAR", "skill | structure | undecided | no skill", "NULL: could not be judged."
        ),
        Column("reason", "VARCHAR", "text", "Why, in words.", nullable=False),
        Column("details_json", "VARCHAR", "JSON", "p by drift, least detectable effect, other tests."),
        _SIMULATED,
    ),
    key=("feed", "model", "config", "horizon_days", "ts"),
    time="ts",
    block=("feed", "model"),
)

VALUATION_TABLES = (MODELS, PREDICTIONS, BACKTESTS, BOARD)
"""In the order of creation."""
