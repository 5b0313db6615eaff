"""The settings of sources that ask venues: which venue for which symbol, in what length, known how late.

One idea: a file of this schema is a whole source; which adapters exist is `resources.venues.registry`'s
business, and what a symbol is the instrument table's.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.model import Name, Names, Strict, broken_rule
from resources.market.mapping import FileWindow  # noqa: TC001 - pydantic reads the annotation

FineLength = Literal["1m", "5m", "15m", "30m", "1h", "4h"]
AnyLength = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
Minutes = Annotated[float, Field(ge=0, le=525_600)]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
"""The name of an environment variable."""


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        fits = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        fits = False
    if not fits or not _PRINTED.fullmatch(text) or "@" in text or parts.query or parts.fragment:
        raise broken_rule(
            "http:// or https:// and a host, without name, password and query",
            "write it as https://api.example.com, keys as variables under key_env",
            what="no address of a venue",
        )
    return text


_PRINTED = re.compile(r"[!-~]+")
Address = Annotated[Name, AfterValidator(_address)]
"""Scheme, host, and perhaps port and path."""


class VenueSettings(Strict):
    """One venue: its adapter, its address and pace, and how far back and how late it delivers."""

    kind: Name = Field(description="Adapter: ccxt, alpaca, yahoo, fred, or that of an installed package")
    base_url: Address | None = Field(None, description="Address; null: the adapter's own")
    spacing_s: Annotated[float, Field(ge=0, le=60)] | None = Field(
        None, description="Least time between two requests, seconds; null: the adapter's own"
    )
    symbols: dict[Name, Name] = Field(
        default_factory=dict, description="Our spelling to the venue's, where the adapter cannot know it"
    )
    key_env: Variable | None = Field(None, description="Variable that holds the key")
    secret_env: Variable | None = Field(None, description="Variable that holds the secret")
    options: dict[Name, str | int | float | bool] = Field(
        default_factory=dict, description="What only this adapter takes"
    )
    lag_minutes: Minutes | None = Field(
        None, description="Delay with which it has a bar; null: none for an exchange, 15 for a vendor"
    )
    reach_days: dict[AnyLength, Annotated[int, Field(ge=1, le=36_500)]] = Field(
        default_factory=dict, description="Days back that it has bars of a length; left out: all of them"
    )

    @property
    def lag(self) -> timedelta | None:
        """The configured delay, if there is one."""
        return None if self.lag_minutes is None else timedelta(minutes=self.lag_minutes)


class SymbolBars(Strict):
    """Where the bars of one symbol come from."""

    venues: Names = Field(description="Venues in order of preference")
    length: FineLength | None = Field(description="Bars asked for to make H4 bars; null: no H4 bars")
    daily: Literal["bars", "1d"] | None = Field(
        description="Days made of those bars, or the venue's own days; null: no daily bars"
    )

    @model_validator(mode="after")
    def _makes_something(self) -> Self:
        if self.length is None and self.daily != "1d":
            raise broken_rule(
                "length, or daily: 1d",
                "say length: 1h, or daily: 1d",
                what="no bars come out of this entry",
                at="length",
            )
        return self


class SeriesRows(Strict):
    """Where one macro series comes from, and what its numbers are."""

    venue: Name = Field(description="The publisher")
    name: Name | None = Field(None, description="Our name; null: the publisher's")
    unit: Name = Field(description="Unit after scaling: points, fraction, ...")
    scale: float = Field(1.0, description="Factor on the published values; 0.01 makes fractions of percents")


class LiveSettings(Strict):
    """All of a file under ``configs/sources`` whose source asks venues."""

    feed: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] = Field(
        description="Name under which the rows are kept apart from all others"
    )
    history: FileWindow = Field(description="Stretch that updates cover")
    backtest: FileWindow | None = Field(None, description="Stretch of a backtest; null: the history")
    venues: Annotated[dict[Name, VenueSettings], Field(min_length=1)]
    bars: dict[Name, SymbolBars] = Field(default_factory=dict)
    series: dict[Name, SeriesRows] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_its_venues(self) -> Self:
        if not self.bars and not self.series:
            raise broken_rule("at least one symbol or series", "add bars or series", what="an empty source")
        wanted = [(f"bars.{s}.venues", venue) for s, entry in self.bars.items() for venue in entry.venues]
        wanted += [(f"series.{s}.venue", entry.venue) for s, entry in self.series.items()]
        for where, venue in wanted:
            if venue not in self.venues:
                raise broken_rule(
                    f"one of {', '.join(self.venues)}",
                    f"add {venue} under venues, or name another",
                    what="no such venue in this file",
                    at=where,
                )
        idle = sorted(set(self.venues) - {venue for _where, venue in wanted})
        if idle:
            raise broken_rule(
                "every venue is asked by a symbol or a series",
                f"take {idle[0]} out",
                what="a venue that nothing asks",
                at=f"venues.{idle[0]}",
            )
        return self
