"""FRED and its archive ALFRED: every value that a series has had, and since when the world has had it.

How vintages are read is `fred_reading`'s business, when they count as known `fred_known`'s.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, SourceError
from pipeline.market.findings import Finding, Severity
from resources.venues.fred_known import known_by_rule, known_by_vintage
from resources.venues.fred_reading import OBSERVATIONS, Reading
from resources.venues.headers import skew_finding
from resources.venues.http import TIMEOUT_S, Answer, JsonAsker
from resources.venues.port import VenueSeries, observation_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from resources.venues.patience import Patience

BASE_URL = "https://api.stlouisfed.org"
SPACING_S = 0.6
"""Pace: FRED allows 120 requests a minute."""
KEY_ENV = "FRED_API_KEY"
KEY_PAGE = "https://fred.stlouisfed.org/docs/api/api_key.html"
RELEASES = {"VIXCLS": "fred_daily", "T10Y2Y": "fred_daily", "CFNAI": "monthly_release"}
"""The default series, each with its rule of `pipeline.calendar.known`."""

_LATE = timedelta(days=400)
"""A first value later than this after its period was put into the archive afterwards."""


class FredVenue:
    """Series by the Federal Reserve Bank of St. Louis.

    Parameters
    ----------
    patience
        Pace and tries.
    api_key_env
        Name of the environment variable that holds the key; it is read with the first question.
    environ
        Variables by name; by default those of the process.
    base_url
        Another address of the same interface.
    releases
        Series to the release rule that says when a value is known at the earliest; see `fred_known`.
    timeout_s
        Longest silence, seconds.
    """

    name = "fred"

    def __init__(
        self,
        patience: Patience,
        *,
        api_key_env: str = KEY_ENV,
        environ: Mapping[str, str] | None = None,
        base_url: str = BASE_URL,
        releases: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._patience = patience
        self._key_env = api_key_env
        self._environ = os.environ if environ is None else environ
        self._base_url = base_url
        self._releases = {**RELEASES, **(releases or {})}
        self._timeout_s = timeout_s

    def observations(self, series: str, start: datetime, end: datetime) -> VenueSeries:
        """Return every vintage of the periods with ``start <= ts < end``; ``.`` is NULL.

        A series that ALFRED does not keep comes as its latest revision, known by its release rule.

        Raises
        ------
        SourceError
            When the series is unknown, keeps no vintages and has no release rule, or FRED is out of reach or
            sends a damaged answer.
        ConfigError
            When the environment holds no key.
        """
        import polars as pl

        window = {
            "series_id": series,
            "observation_start": f"{start.date()}",
            "observation_end": f"{end.date()}",
        }
        reading = Reading(self._asker, series, window)
        rows, rule = reading.vintages(), self._releases.get(series)
        kept = rows is not None
        if rows is None:
            rule, rows = _required(rule, series), reading.latest()
        schema = {"day": pl.Date, "since": pl.Date, "value": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        if kept:
            known = known_by_vintage(frame["day"], frame["since"], rule)
        else:
            known = known_by_rule(frame["day"], str(rule))
        observed = frame.with_columns(
            ts=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), known_at=known
        ).filter(pl.col("ts").is_between(start, end, closed="left"))
        if kept:  # of vintages known at one instant the last one is what was known
            observed = observed.sort("day", "since").unique(["day", "known_at"], keep="last")
        return VenueSeries(
            rows=observed.select(list(observation_schema())).sort("ts", "known_at"),
            source=f"{self._asker.address(OBSERVATIONS)}?series_id={series}",
            vintage="as_published" if kept else "latest_revision",
            server_time=reading.server_time,
            findings=tuple(self._said(series, reading.answers[-1], observed if kept else observed.clear())),
        )

    @cached_property
    def _asker(self) -> JsonAsker:
        key = self._environ.get(self._key_env, "").strip()
        if not key:
            raise ConfigError(
                "fred needs a key and the environment holds none",
                field=self._key_env,
                constraint="a key in this environment variable",
                fix=f"get one at {KEY_PAGE} and export {self._key_env}, or name another in key_env",
            )
        return JsonAsker(
            self.name, self._base_url, self._patience, timeout_s=self._timeout_s, secrets={"api_key": key}
        )

    def _said(self, series: str, answer: Answer, archived: pl.DataFrame) -> Iterator[Finding]:
        skew = skew_finding(answer.server_time, answer.received_at, series, self.name)
        if skew is not None:
            yield skew
        yield from _archived_late(series, archived)


def _required(rule: str | None, series: str) -> str:
    if rule is None:
        raise SourceError(
            f"ALFRED keeps no vintages of {series}, and nothing says when its values became known",
            field="release",
            value=series,
            constraint="a release rule, such as fred_daily or monthly_release",
            fix="name the rule of this series in the source's YAML",
        )
    return rule


def _archived_late(series: str, observed: pl.DataFrame) -> Iterator[Finding]:
    import polars as pl

    first = (
        observed.group_by("day").agg(pl.col("since").min()).filter(pl.col("since") - pl.col("day") > _LATE)
    )
    if first.is_empty():
        return
    days = first["day"].sort().to_list()
    begins = first["since"].sort().to_list()[0]
    yield Finding(
        "archived_late",
        Severity.INFO,
        series,
        datetime.combine(days[0], datetime.min.time(), UTC),
        f"{len(days)} periods are known from {begins} on only, when the archive took them up",
        last=datetime.combine(days[-1], datetime.min.time(), UTC),
        count=len(days),
    )
