"""The ``regimes`` schema: the labels in force at every decision, what they were taken from, their changes.

``rules`` names the rules that gave a label, so that other rules add rows and contradict none.
"""

from warehouse.table import Column, Table, key_column


def _trend(dimension: str, of: str, label: str) -> tuple[Column, ...]:
    return (
        Column(dimension, "VARCHAR", "label", label, nullable=False),
        Column(f"{dimension}_close", "DOUBLE", "quote currency", f"Close of {of}."),
        Column(f"{dimension}_sma", "DOUBLE", "quote currency", "Its moving average."),
        Column(f"{dimension}_momentum_low", "DOUBLE", "fraction", "The least of its momenta."),
        Column(f"{dimension}_momentum_high", "DOUBLE", "fraction", "The greatest of its momenta."),
        *_observed(dimension),
    )


def _observed(dimension: str) -> tuple[Column, ...]:
    return (
        Column(
            f"{dimension}_observed", "TIMESTAMPTZ", "UTC", "Session, day or month of the newest observation."
        ),
        Column(f"{dimension}_missed", "DOUBLE", "observations", "Expected observations that are overdue."),
    )


_KEY = (
    key_column("feed", "VARCHAR", "name", "Source configuration of the inputs."),
    key_column("rules", "VARCHAR", "hash", "The rules that gave the labels."),
)
_CELL = key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell; the decision is four hours later.")
_SIMULATED = Column("simulated", "BOOLEAN", "flag", "True when made from simulated data.", nullable=False)

REGIMES_H4 = Table(
    schema="regimes",
    name="h4",
    description="The regimes in force at one H4 decision, and what they were taken from.",
    columns=(
        *_KEY,
        _CELL,
        *_trend("equity", "the reference equity", "Trend of equities: bear, neutral or bull."),
        Column("vol", "VARCHAR", "label", "Level of volatility: low, normal or high.", nullable=False),
        Column("vol_points", "DOUBLE", "points", "Volatility index, or realised volatility without one."),
        *_observed("vol"),
        *_trend("crypto", "the reference coin", "Trend of crypto: risk_off or risk_on."),
        Column(
            "macro", "VARCHAR", "label", "The economy: contraction, neutral or expansion.", nullable=False
        ),
        Column("macro_activity", "DOUBLE", "points", "Monthly activity index."),
        Column("macro_slope", "DOUBLE", "fraction", "Slope of the yield curve known at its release."),
        *_observed("macro"),
        _SIMULATED,
    ),
    key=("feed", "rules", "ts"),
    time="ts",
    block=("feed",),
)

TRANSITIONS = Table(
    schema="regimes",
    name="transitions",
    description="One change of a regime, and the inputs that caused it.",
    columns=(
        *_KEY,
        key_column("dimension", "VARCHAR", "name", "equity, vol, crypto or macro."),
        _CELL,
        Column("label_before", "VARCHAR", "label", "Label until then.", nullable=False),
        Column("label_after", "VARCHAR", "label", "Label from this decision on.", nullable=False),
        Column(
            "cause",
            "VARCHAR",
            "word",
            "observation; stale: the input missed three values; back: the first value after that; withdrawn:"
            " what was stored later says that there was no change.",
            nullable=False,
        ),
        Column("observed", "TIMESTAMPTZ", "UTC", "Session, day or month of the newest observation."),
        Column(
            "inputs_json", "VARCHAR", "JSON", "What the rule compared at that observation.", nullable=False
        ),
        _SIMULATED,
    ),
    key=("feed", "rules", "dimension", "ts"),
    time="ts",
    block=("feed",),
)

REGIME_TABLES = (REGIMES_H4, TRANSITIONS)
