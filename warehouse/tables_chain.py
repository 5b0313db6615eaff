"""The ``chain`` schema: days and blocks of the Bitcoin chain, as of when they could be known."""

from warehouse.table import Column, Table, key_column

_FEED = key_column("feed", "VARCHAR", "name", "Chain source that delivered the row (sample, files, node).")
_SIMULATED = Column("simulated", "BOOLEAN", "flag", "True when made by the simulator.", nullable=False)
_VINTAGE = Column("vintage", "VARCHAR", "as_published | latest_revision", "Which state of a revised history.")
_SOURCE = Column("source", "VARCHAR", "text", "File, endpoint or rule the row came from.", compared=False)


def _usd(name: str, description: str) -> Column:
    return Column(name, "DOUBLE", "USD", description)


def _btc(name: str, description: str) -> Column:
    return Column(name, "DOUBLE", "BTC", description)


METRICS_DAILY = Table(
    schema="chain",
    name="metrics_daily",
    description="One UTC day of the Bitcoin chain: what was mined and paid, and what that comes to since.",
    columns=(
        _FEED,
        key_column("ts", "TIMESTAMPTZ", "UTC", "00:00 UTC of the day; not when it could be known."),
        Column("price_usd", "DOUBLE", "USD per BTC", "Price at the END of the day, 00:00 UTC of the next."),
        Column("block_count", "INTEGER", "blocks", "Blocks of the day, by the time in their headers."),
        Column("height", "INTEGER", "blocks", "Height of the last block of the day."),
        Column("height_source", "VARCHAR", "chain | schedule", "Whether it was counted or estimated."),
        _btc("supply_btc", "Coins created by the end of the day."),
        _btc("issuance_btc", "Coins created on the day."),
        _usd("issuance_usd", "The same at the price of the day."),
        _btc("fees_btc", "Fees paid on the day."),
        _usd("fees_usd", "The same at the price of the day."),
        _usd("miner_revenue_usd", "Issuance and fees of the day."),
        _usd("thermocap_usd", "Miner revenue since the first day; a day without a price counts nothing."),
        _btc("flow_365_btc", "Coins created in the 365 days that end with this one."),
        Column("s2f", "DOUBLE", "years", "Stock-to-flow: supply over the flow of 365 days."),
        _usd("market_cap_usd", "Supply at the price of the day, as the source counts it."),
        _usd("realized_cap_usd", "Every coin at the price when it last moved."),
        Column("mvrv", "DOUBLE", "ratio", "Market cap over realised cap."),
        Column("hash_rate_ths", "DOUBLE", "TH/s", "Mean hash rate of the day."),
        Column("puell", "DOUBLE", "ratio", "Issuance in USD over its mean of 365 days."),
        Column("tx_count", "INTEGER", "transactions", "Transactions of the day."),
        Column("active_addresses", "INTEGER", "addresses", "Addresses that sent or received on the day."),
        _SOURCE,
        _VINTAGE,
        _SIMULATED,
    ),
    key=("feed", "ts"),
    time="ts",
    block=("feed",),
)

BLOCKS = Table(
    schema="chain",
    name="blocks",
    description="One block, named by its hash; a block that lost a race stays and is stale.",
    columns=(
        _FEED,
        key_column("hash", "VARCHAR", "hex", "Hash of the header, as people write it."),
        Column("ts", "TIMESTAMPTZ", "UTC", "Time in the header: may be two hours off.", nullable=False),
        Column("height", "INTEGER", "blocks", "Blocks before it."),
        Column("prev_hash", "VARCHAR", "hex", "Hash of the block before it.", nullable=False),
        Column("median_time", "TIMESTAMPTZ", "UTC", "Median header time of it and the ten before it."),
        Column("tx_count", "INTEGER", "transactions", "Transactions, the coinbase included."),
        Column("size", "INTEGER", "bytes", "Serialised size with witnesses."),
        Column("weight", "INTEGER", "weight units", "BIP 141 weight."),
        Column("inputs", "INTEGER", "inputs", "Inputs, that of the coinbase left out."),
        Column("outputs", "INTEGER", "outputs", "Outputs, those of the coinbase included."),
        Column("difficulty", "DOUBLE", "ratio", "Work that it took, against the easiest."),
        _btc("subsidy_btc", "What the block may create by the schedule."),
        _btc("fees_btc", "Fees of its transactions."),
        _btc("coinbase_btc", "What its coinbase paid out."),
        Column("state", "VARCHAR", "active | stale", "Whether it lies on the best chain.", nullable=False),
        _SOURCE,
        _SIMULATED,
    ),
    key=("feed", "hash"),
    time="ts",
    block=("feed",),
)

CHAIN_TABLES = (METRICS_DAILY, BLOCKS)
