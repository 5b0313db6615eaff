"""The mapping of the ``files`` source: which files hold what, and what their stamps mean.

One idea: everything that differs between two folders of bars is said here, so that no folder needs code.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import PurePath
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.model import Instant, Name, Strict, broken_rule

OURS = ("h4", "daily")
"""Timeframes of files that hold our own columns, as ``bells data export`` writes them."""
LENGTHS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}
SYMBOL = "{symbol}"

FileTimeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d", "h4", "daily"]
FileFormat = Literal["parquet", "csv"]
Adjustment = Literal["raw", "split", "split_dividend"]
Vintage = Literal["as_published", "latest_revision"]
ActionWord = Literal["split", "dividend"]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Release = Literal["fred_daily", "monthly_release", "session_close", "vix_settlement", "utc_day"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder or an endless name is an OSError
        raise broken_rule(
            "a name of the IANA time zone database",
            "write UTC or a name such as America/New_York",
            what="no such time zone",
        ) from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


def _pattern(path: str) -> str:
    given = PurePath(path)
    if given.is_absolute() or not given.parts or any("**" in part and part != "**" for part in given.parts):
        raise broken_rule(
            "a path below the base folder; ** only as a whole part of it",
            "write it relative to the base folder, such as bars/*.csv",
            what="no pattern of files",
        )
    return path


Pattern = Annotated[Name, AfterValidator(_pattern)]


class FileWindow(Strict):
    """A stretch of time; an absent end means up to now."""

    start: Instant
    end: Instant | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise broken_rule("start < end", "give an end after the start", what="empty window", at="end")
        return self


class BarColumns(Strict):
    """Names of the columns in the file; ``volume: null`` where there is none."""

    time: Name = "timestamp"
    open: Name = "open"
    high: Name = "high"
    low: Name = "low"
    close: Name = "close"
    volume: Name | None = "volume"
    symbol: Name | None = None


class _File(Strict):
    """What every entry says about its files."""

    path: Pattern = Field(description="Below the base folder; may hold *, ? and {symbol}")
    format: FileFormat | None = Field(None, description="null: by the ending")
    zone: Zone | None = Field(None, description="Time zone of stamps that carry none")
    epoch: Literal["s", "ms", "us"] | None = Field(None, description="Unit of stamps that are numbers")
    time_format: Name | None = Field(None, description="strptime pattern of stamps that are text")

    @property
    def glob(self) -> str:
        """The path as a pattern of file names."""
        return self.path.replace(SYMBOL, "*")

    def kind(self, name: str) -> FileFormat:
        """Return the format of one of its files."""
        if self.format is not None:
            return self.format
        return "parquet" if name.endswith((".parquet", ".pq")) else "csv"


class BarFile(_File):
    """Files of bars."""

    timeframe: FileTimeframe
    symbol: Name | None = Field(None, description="Whose bars these are, in our spelling")
    symbols: dict[Name, Name] = Field(default_factory=dict, description="The file's spelling to ours")
    like: Name | None = Field(None, description="Instrument that symbols without one of their own trade like")
    stamp: Literal["open", "close", "session_date"] | None = Field(None, description="What a stamp marks")
    covers: Literal["timeframe", "session"] = Field(
        "timeframe", description="The whole stretch from stamp and timeframe, or its part inside the session"
    )
    columns: BarColumns = BarColumns()
    venue: Name | None = Field(None, description="null: the instrument's")
    adjustment: Adjustment = "raw"
    vintage: Vintage = "as_published"
    selection: Literal["survivors"] | None = Field(
        None, description="survivors: chosen among the symbols that are still there, which runs must say"
    )
    lag_minutes: Annotated[float, Field(ge=0, le=525_600)] | None = Field(
        None, description="Delay of the vendor; null: none for H4 bars, the calendar's rule for daily ones"
    )
    allow_straddle: bool = False
    to: Annotated[tuple[Literal["h4", "daily"], ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="What to make of them; null: daily of 1d, h4 of everything finer"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.timeframe in OURS:
            return self
        if self.stamp is None:
            raise broken_rule(
                "open, close or session_date",
                "say what a stamp marks",
                what="a file of bars without stamp",
                at="stamp",
            )
        daily = self.timeframe == "1d"
        if self.stamp == "session_date" and not daily:
            raise broken_rule("open or close for bars within a day", "say open or close", at="stamp")
        if daily and "h4" in self.makes:
            raise broken_rule("[daily] for daily bars", "take h4 out", what="H4 out of daily bars", at="to")
        named = (self.symbol is not None) + (SYMBOL in self.path) + (self.columns.symbol is not None)
        if named != 1:
            raise broken_rule(
                "exactly one of symbol, {symbol} in path, columns.symbol",
                "give one of the three",
                what=f"the symbol is said {named} times",
                at="symbol",
            )
        return self

    @property
    def makes(self) -> tuple[str, ...]:
        """Timeframes that come out of it."""
        if self.timeframe in OURS:
            return (self.timeframe,)
        if self.to is not None:
            return self.to
        return ("daily",) if self.timeframe == "1d" else ("h4",)

    @property
    def lag(self) -> timedelta | None:
        """Delay of the vendor, if one is said."""
        return None if self.lag_minutes is None else timedelta(minutes=self.lag_minutes)

    def symbol_of(self, name: str) -> str | None:
        """Return our spelling of the symbol that a file's name says, if it says one."""
        if SYMBOL not in self.path:
            return None if self.symbol is None else self.symbols.get(self.symbol, self.symbol)
        parts = (_as_regex(part) for part in self.path.split(SYMBOL, maxsplit=1))
        found = re.fullmatch("([^/]+)".join(parts), name)
        return None if found is None else self.symbols.get(found[1], found[1])


class SeriesColumns(Strict):
    """Names of the columns of a macro file; without ``series`` every series is a column of its own."""

    time: Name = "date"
    series: Name | None = None
    value: Name = "value"


class SeriesRule(Strict):
    """One macro series."""

    name: Name | None = Field(None, description="Our name; null: the file's")
    unit: Name = Field(description="Unit after scaling: points, fraction, ...")
    scale: float = Field(1.0, description="Factor on the file's values; 0.01 makes fractions of percents")
    release: Release = Field(description="Rule by which a value becomes known")
    lag_minutes: Annotated[float, Field(ge=0, le=5_256_000)] | None = Field(
        None, description="Added to the rule's instant; null: the rule's own lag"
    )


class SeriesFile(_File):
    """Files of macro series, dated by reference period."""

    columns: SeriesColumns = SeriesColumns()
    series: Annotated[dict[Name, SeriesRule], Field(min_length=1)]
    vintage: Vintage = "as_published"
    calendar: Name = "XNYS"


class ActionColumns(Strict):
    """Names of the columns of a file of corporate actions."""

    time: Name = Field("ex_date", description="The ex-date")
    symbol: Name = "symbol"
    kind: Name | None = Field(None, description="What the row is; null: the file holds one kind")
    value: Name = Field("value", description="New shares for one old one, or cash for one share as paid then")
    currency: Name | None = None
    declared: Name | None = Field(None, description="Day of the announcement")


class ActionFile(_File):
    """Files of splits and dividends, dated by ex-date."""

    columns: ActionColumns = ActionColumns()
    action: ActionWord | None = Field(None, description="What every row is")
    kinds: dict[Name, ActionWord] = Field(default_factory=dict, description="The file's words to ours")
    currency: Currency | None = Field(None, description="Currency of all cash")
    symbols: dict[Name, Name] = Field(default_factory=dict, description="The file's spelling to ours")
    like: Name | None = Field(None, description="Instrument that symbols without one of their own trade like")

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if (self.action is None) == (self.columns.kind is None):
            raise broken_rule(
                "exactly one of action and columns.kind",
                "say action: split or dividend, or name the column that does",
                what="what the rows are is said twice or not at all",
                at="action",
            )
        if self.currency is not None and self.columns.currency is not None:
            raise broken_rule(
                "at most one of currency and columns.currency",
                "take one of the two out",
                what="the currency is said twice",
                at="currency",
            )
        return self


class ChainColumns(Strict):
    """Names of the columns of a file of days; null where there is none."""

    time: Name = Field("date", description="The UTC day")
    price_usd: Name | None = Field(None, description="Price at the END of the day")
    block_count: Name | None = None
    height: Name | None = Field(None, description="Of the last block; null: counted from the first day")
    supply_btc: Name | None = None
    issuance_btc: Name | None = None
    fees_btc: Name | None = None
    market_cap_usd: Name | None = None
    realized_cap_usd: Name | None = None
    mvrv: Name | None = None
    hash_rate_ths: Name | None = None
    tx_count: Name | None = None
    active_addresses: Name | None = None


class ChainFile(_File):
    """One file of days of the Bitcoin chain."""

    columns: ChainColumns = ChainColumns()
    vintage: Vintage = "as_published"
    lag_minutes: Annotated[float, Field(ge=0, le=525_600)] = Field(
        0.0, description="From the end of a day until its row was there"
    )
    thermocap_usd_before: Annotated[float, Field(ge=0, le=1e15)] = Field(
        0.0, description="Miner revenue before the first day of the file, USD"
    )
    height_before: Annotated[int, Field(ge=-1, le=100_000_000)] | None = Field(
        None, description="Height before the first day; null: no block where it begins with the chain"
    )


class ChainBlocks(Strict):
    """Files of one raw block each, in consensus serialisation."""

    path: Pattern = Field(description="Below the base folder")
    lag_minutes: Annotated[float, Field(ge=0, le=525_600)] = Field(
        120.0, description="From the time in a header until the block counts as known"
    )


class ChainFiles(Strict):
    """What the files hold of the chain."""

    days: ChainFile | None = None
    blocks: ChainBlocks | None = None


class FilesMapping(Strict):
    """All of a mapping file."""

    feed: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] | None = Field(
        None, description="Name under which the rows are kept apart from all others; null: that of the file"
    )
    base: Literal["here", "data_dir"] = Field(
        "here", description="Folder that paths start from: the mapping's own, or the configured data folder"
    )
    history: FileWindow | None = Field(None, description="Stretch that updates cover; null: what is there")
    backtest: FileWindow | None = Field(None, description="Stretch of a backtest; null: the history")
    entries: tuple[BarFile, ...] = Field((), strict=False)
    series: tuple[SeriesFile, ...] = Field((), strict=False)
    actions: tuple[ActionFile, ...] = Field((), strict=False)
    chain: ChainFiles | None = Field(None, description="Days and blocks of the Bitcoin chain")

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        chain = self.chain is not None and (self.chain.days or self.chain.blocks)
        if not (self.entries or self.series or self.actions or chain):
            raise broken_rule(
                "at least one entry", "add entries, series, actions or chain", what="an empty mapping"
            )
        return self

    @property
    def chain_alone(self) -> bool:
        """Whether it holds the chain and nothing of a market."""
        return not (self.entries or self.series or self.actions)


def _as_regex(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in part)
