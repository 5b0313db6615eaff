"""The ``market`` schema: what a source delivered, as of when it could be known."""

from warehouse.table import Column, Table, key_column

_FEED = key_column("feed", "VARCHAR", "name", "Source configuration that delivered the row (sample, files).")
_SIMULATED = Column("simulated", "BOOLEAN", "flag", "True when made by the simulator.", nullable=False)
_VINTAGE = Column("vintage", "VARCHAR", "as_published | latest_revision", "Which state of a revised history.")
_SOURCE = Column("source", "VARCHAR", "text", "File or endpoint the row came from.", compared=False)

_BAR = (
    Column("open_at", "TIMESTAMPTZ", "UTC", "First instant the bar covers.", nullable=False),
    Column("close_at", "TIMESTAMPTZ", "UTC", "Instant of the close.", nullable=False),
    Column("minutes", "INTEGER", "minutes", "Trading minutes of the cell by the calendar."),
    Column("covered_minutes", "INTEGER", "minutes", "Trading minutes that the source rows cover."),
    Column("open", "DOUBLE", "quote currency", "First price.", nullable=False),
    Column("high", "DOUBLE", "quote currency", "Highest price.", nullable=False),
    Column("low", "DOUBLE", "quote currency", "Lowest price.", nullable=False),
    Column("close", "DOUBLE", "quote currency", "Last price.", nullable=False),
    Column("volume", "DOUBLE", "base units", "Traded volume; NULL where there is none, as for an index."),
    Column("adjustment", "VARCHAR", "raw | split | split_dividend", "What the prices are adjusted for."),
    _SOURCE,
    Column("venue", "VARCHAR", "name", "Where the instrument traded."),
    _VINTAGE,
    Column("state", "VARCHAR", "final | provisional | imputed", "How complete the bar is.", nullable=False),
    _SIMULATED,
)


def _bars(name: str, description: str, label: str) -> Table:
    return Table(
        schema="market",
        name=name,
        description=description,
        columns=(
            _FEED,
            key_column("symbol", "VARCHAR", "name", "Instrument in our spelling (SPY, BTC/USD)."),
            key_column("ts", "TIMESTAMPTZ", "UTC", label),
            *_BAR,
        ),
        key=("feed", "symbol", "ts"),
        time="ts",
        block=("feed", "symbol"),
        grades=("state", ("imputed", "provisional", "final")),
    )


OHLCV_H4 = _bars("ohlcv_h4", "One closed four-hour bar.", "Label of the H4 cell that holds the close.")
OHLCV_DAILY = _bars(
    "ohlcv_daily", "One closed daily bar.", "00:00 UTC of the session date; not when it could be known."
)

MACRO = Table(
    schema="market",
    name="macro",
    description="One published value of a macroeconomic series.",
    columns=(
        _FEED,
        key_column("series", "VARCHAR", "name", "Series in our spelling (PMI, T10Y2Y)."),
        key_column("ts", "TIMESTAMPTZ", "UTC", "Start of the reference period."),
        Column("value", "DOUBLE", "see unit", "Published value; NULL where the publisher gives none."),
        Column("unit", "VARCHAR", "text", "Unit of the value."),
        _SOURCE,
        _VINTAGE,
        _SIMULATED,
    ),
    key=("feed", "series", "ts"),
    time="ts",
    block=("feed", "series"),
)

CORPORATE_ACTIONS = Table(
    schema="market",
    name="corporate_actions",
    description="One split or dividend of an instrument.",
    columns=(
        _FEED,
        key_column("symbol", "VARCHAR", "name", "Instrument in our spelling."),
        key_column("ts", "TIMESTAMPTZ", "UTC", "00:00 UTC of the ex-date; not when it could be known."),
        key_column("kind", "VARCHAR", "split | dividend", "What the company did."),
        Column(
            "value",
            "DOUBLE",
            "new shares for one old | currency for one share",
            "Size of the split, or cash as paid then.",
            nullable=False,
        ),
        Column("currency", "VARCHAR", "ISO 4217", "Currency of the cash; NULL for a split."),
        Column("declared_at", "TIMESTAMPTZ", "UTC", "When it was announced; NULL where no source says."),
        _SOURCE,
        _SIMULATED,
    ),
    key=("feed", "symbol", "ts", "kind"),
    time="ts",
    block=("feed", "symbol"),
)

TRUTH = Table(
    schema="market",
    name="truth",
    description="The regime that the simulated world planted at one instant; no decision may read it.",
    columns=(
        _FEED,
        key_column("scope", "VARCHAR", "equity | crypto | volatility | macro", "What the regime is about."),
        key_column("ts", "TIMESTAMPTZ", "UTC", "Label of the H4 cell."),
        Column("label", "VARCHAR", "regime", "Planted regime.", nullable=False),
        _SIMULATED,
    ),
    key=("feed", "scope", "ts"),
    time="ts",
    block=("feed", "scope"),
)

QUARANTINE = Table(
    schema="market",
    name="quarantine",
    description="One row of a source that broke a rule and entered no other table; two equal rows are one.",
    columns=(
        _FEED,
        key_column("dataset", "VARCHAR", "name", "Table the row was meant for."),
        Column("symbol", "VARCHAR", "name", "Instrument or series; NULL where the row names none."),
        Column("ts", "TIMESTAMPTZ", "UTC", "Label the row would have had; NULL where it has none."),
        key_column("rule", "VARCHAR", "name", "Rule that it broke."),
        Column("severity", "VARCHAR", "warning | error", "How bad that is."),
        Column("reason", "VARCHAR", "text", "What is wrong, with the numbers."),
        Column("row_json", "VARCHAR", "JSON", "The row as delivered."),
    ),
    key=("feed", "dataset", "symbol", "ts", "rule", "row_json"),
    block=("feed", "dataset"),
    known_at="recorded",
)

MARKET_TABLES = (OHLCV_H4, OHLCV_DAILY, MACRO, CORPORATE_ACTIONS, TRUTH, QUARANTINE)
