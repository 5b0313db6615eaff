"""The files source over small folders that tests make."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from pipeline.config.document import read_document
from pipeline.config.instruments import Instrument
from resources.market.files import FilesSource
from resources.market.mapping import FilesMapping

ROOT = Path(__file__).parents[2]
TABLE = read_document(ROOT / "configs/base/instruments.yaml").data
INSTRUMENTS = {symbol: Instrument(symbol=symbol, **row) for symbol, row in TABLE.items()}
EARLY, LATE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
H4_FILE = {"path": "btc.parquet", "symbol": "BTC/USD", "timeframe": "4h", "stamp": "open"}
START = datetime(2024, 6, 3, tzinfo=UTC)


def source_of(folder, *entries, series=()):
    mapping = FilesMapping.model_validate({"entries": list(entries), "series": list(series)})
    return FilesSource(mapping, folder, INSTRUMENTS)


def bars_of(folder, *entries, timeframe="h4"):
    return source_of(folder, *entries).bars(timeframe, EARLY, LATE, now=NOW)


def some_bars(count=12, step=timedelta(hours=4), start=START):
    price = [100.0 + number for number in range(count)]
    return pl.DataFrame(
        {
            "timestamp": [start + number * step for number in range(count)],
            "open": price,
            "high": [p + 2.0 for p in price],
            "low": [p - 2.0 - p**2 % 3 / 8 for p in price],  # no straight line
            "close": [p + 1.0 for p in price],
            "volume": [10.0] * count,
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )


def reasons(fetched, severity="error"):
    return [finding.reason for finding in fetched.findings if finding.severity == severity]
