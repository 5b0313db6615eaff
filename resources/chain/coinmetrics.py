"""Coin Metrics' community interface: daily metrics of Bitcoin, free and without a key.

An answer holds one page and the token of the next; a day that is not over is not taken.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from pipeline.errors import SourceError
from resources.chain.port import Days
from resources.market.port import Window
from resources.venues.http import JsonAsker
from resources.venues.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from pipeline.chain.metrics import Origin
    from pipeline.config.chain import CoinMetricsChain
    from resources.chain.port import Blocks, StoredBlocks
    from resources.clock import Clock

PATH = "/v4/timeseries/asset-metrics"
METRICS: Mapping[str, str] = {
    "PriceUSD": "price_usd",
    "BlkCnt": "block_count",
    "SplyCur": "supply_btc",
    "IssTotNtv": "issuance_btc",
    "FeeTotNtv": "fees_btc",
    "HashRate": "hash_rate_ths",
    "CapMrktCurUSD": "market_cap_usd",
    "CapMVRVCur": "mvrv",
    "TxCnt": "tx_count",
    "AdrActCnt": "active_addresses",
}
"""Their names to ours."""
ASSET = "btc"
MOST_PAGES = 1000
LATER = "try again later; what is stored stays and is used"
DAY = timedelta(days=1)


class CoinMetrics:
    """Days by Coin Metrics.

    Parameters
    ----------
    settings
        Address, lag, pace.
    clock
        What waits are counted by.
    """

    feed = "coinmetrics"
    simulated = False
    has_days = True
    has_blocks = False
    priced = True

    def __init__(self, settings: CoinMetricsChain, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.history = Window(settings.first_day)
        self.recheck_days: int | None = settings.recheck_days

    @property
    def version(self) -> str:
        """Hash of what is asked for."""
        settings = self._settings
        text = f"{sorted(METRICS)} {settings.base_url} {settings.first_day} {settings.lag_minutes}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def origin(self) -> Origin:
        """The first block, where the history begins with it; else nobody knows."""
        from pipeline.chain.metrics import GENESIS, Origin

        begins = self.history.start <= datetime(2009, 1, 3, tzinfo=UTC)
        return GENESIS if begins else Origin(None, float("nan"))

    def days(self, start: datetime, end: datetime, *, now: datetime, prices: pl.DataFrame) -> Days:  # noqa: ARG002 - the port
        """Return the days of the window that were over, and published, at ``now``.

        Raises
        ------
        SourceError
            When it is out of reach, refuses, or sends a page again.
        """
        import polars as pl

        from pipeline.chain.days import DAY_SCHEMA, conform_days, empty
        from pipeline.chain.sound import sound_days

        lag = timedelta(minutes=self._settings.lag_minutes)
        last = min(end, (now - lag).replace(hour=0, minute=0, second=0, microsecond=0))
        if last <= start:
            return Days(empty(DAY_SCHEMA))
        rows = [self._row(record) for record in self._records(start, last - DAY)]
        schema = {"ts": pl.Datetime("us", "UTC"), **dict.fromkeys(METRICS.values(), pl.Float64)}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return Days(
            conform_days(
                sound_days(frame, self.feed)
                .filter(pl.col("ts").is_between(start, last, closed="left"))
                .with_columns(
                    source=pl.lit(self._asker.address(PATH)),
                    vintage=pl.lit("latest_revision"),
                    simulated=pl.lit(value=False),
                    known_at=pl.col("ts") + DAY + lag,
                )
            )
        )

    def blocks(self, stored: StoredBlocks, *, now: datetime) -> Iterator[Blocks]:  # noqa: ARG002 - the port
        """Yield nothing: it tells days."""
        return iter(())

    @cached_property
    def _asker(self) -> JsonAsker:
        coinmetrics = self._settings
        patience = Patience(self._clock, spacing_s=coinmetrics.spacing_s, fix=LATER)
        return JsonAsker(self.feed, coinmetrics.base_url, patience, timeout_s=coinmetrics.timeout_s)

    def _records(self, first: datetime, last: datetime) -> Iterator[Mapping[str, object]]:
        """Yield the records of all pages, both days included."""
        coinmetrics = self._settings
        query: dict[str, str | int] = {
            "assets": ASSET,
            "metrics": ",".join(METRICS),
            "frequency": "1d",
            "start_time": f"{first:%Y-%m-%d}",
            "end_time": f"{last:%Y-%m-%d}",
            "page_size": coinmetrics.page_size,
            "paging_from": "start",
        }
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            document = self._asker.get(PATH, query, about=f"days from {first:%Y-%m-%d}").document
            told = document.get("data") if isinstance(document, dict) else None
            if not isinstance(document, dict) or not isinstance(told, list):
                raise _damaged("the answer has no data", document)
            yield from told
            token = document.get("next_page_token")
            if token is None:
                return
            if not isinstance(token, str) or token in seen:
                raise _damaged("a page comes again", token)
            seen.add(token)
            query["next_page_token"] = token
        raise _damaged("the pages do not end", MOST_PAGES)

    def _row(self, record: Mapping[str, object]) -> tuple[object, ...]:
        """Return the day and the numbers of a record; a metric that is absent or null is unknown."""
        try:
            if record.get("asset", ASSET) != ASSET:
                raise _damaged("a record of another asset", record)
            at = datetime.fromisoformat(str(record["time"]).replace("000000000Z", "000000Z"))
            at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
            values = (record.get(name) for name in METRICS)
            return (at, *(None if v is None else float(str(v)) for v in values))
        except (AttributeError, KeyError, ValueError, TypeError) as error:
            raise _damaged("a record cannot be read", record) from error


def _damaged(what: str, value: object) -> SourceError:
    return SourceError(
        f"coinmetrics: {what}",
        field=PATH,
        value=value,
        constraint="pages of records with time and metrics",
        fix="try again later; if it stays, the interface has changed",
    )
