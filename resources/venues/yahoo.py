"""Yahoo's chart endpoint: daily and half-hour bars of US equities and indices, splits and dividends.

Prices are adjusted for splits as of today, not for dividends.  Rows where nothing traded are left out with a
count; rows that are half there stay, for the rules to name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.errors import SourceError
from pipeline.market.findings import Finding, Severity
from resources.venues.headers import skew_finding
from resources.venues.http import TIMEOUT_S, Answer, JsonAsker
from resources.venues.port import Length, VenueBars, action_schema, venue_bar_schema
from resources.venues.yahoo_chart import COLUMNS, Chart, read_chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from resources.venues.patience import Patience

BASE_URL = "https://query1.finance.yahoo.com"
SPACING_S = 0.5
"""Pace that the endpoint bears without a key."""
USER_AGENT = "Mozilla/5.0 (compatible; eightbells)"
"""The endpoint turns away clients that name no browser."""
NAMES = {"VIX": "^VIX"}
"""Our spelling to theirs, where a dot for a dash (``BRK.B``) does not do."""
HALF_HOUR = timedelta(minutes=30)
REACH = timedelta(days=60)
"""How far back half-hour bars go."""
_DAY = timedelta(days=1)


class YahooVenue:
    """Bars and corporate actions by Yahoo.

    Parameters
    ----------
    patience
        Pace and tries; its clock says what today is.
    base_url
        Another address of the same endpoint.
    names
        Further symbols whose name there differs from ours.
    timeout_s
        Longest silence, seconds.
    user_agent
        What the client calls itself.
    """

    name = "yahoo"
    lengths: tuple[Length, ...] = ("1d", "30m")

    def __init__(
        self,
        patience: Patience,
        *,
        base_url: str = BASE_URL,
        names: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._clock = patience.clock
        self._names = {**NAMES, **(names or {})}
        self._asker = JsonAsker(
            self.name, base_url, patience, timeout_s=timeout_s, headers={"User-Agent": user_agent}
        )

    def bars(self, symbol: str, length: Length, start: datetime, end: datetime) -> VenueBars:
        """Return all bars with ``start <= open_at < end``; a daily one opens at 00:00 UTC of its date.

        Raises
        ------
        SourceError
            When the length is not offered, half-hour bars are asked for that are older than 60 days, the
            symbol is unknown, or the venue is out of reach or sends a damaged answer.
        """
        import polars as pl

        self._require_reach(symbol, length, start)
        daily = length == "1d"
        margin = _DAY if daily else timedelta(0)  # a session date and its stamp are hours apart
        answer, chart = self._ask(symbol, length, start - margin, end + margin)
        rows = pl.DataFrame(
            {"open_at": [_label(at, chart) if daily else at for at in chart.stamps], **chart.columns},
            schema=dict(venue_bar_schema()),
        )
        findings = []
        if chart.stamps and (_live_day(chart) if daily else _live_half_hour(chart)):
            quoted, rows = rows[-1], rows[:-1]
            findings.append(_live_quote(symbol, quoted["open_at"][0], chart.stamps[-1]))
        inside = rows.filter(pl.col("open_at").is_between(start, end, closed="left"))
        traded, quiet = _split_quiet(inside)
        if quiet.height:
            findings.append(_no_trade(symbol, quiet))
        skew = skew_finding(answer.server_time, answer.received_at, symbol, self.name)
        return VenueBars(
            rows=traded,
            adjustment="split",
            source=self._asker.address(self._path(symbol)),
            server_time=answer.server_time,
            findings=tuple(findings if skew is None else [*findings, skew]),
        )

    def actions(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Return splits and dividends with ``start <= ts < end``; when they were declared is not told.

        Yahoo divides old dividends by later splits; here they are as paid then, so everything up to today is
        asked for.  A dividend on the day of a split is one for the new shares.

        Raises
        ------
        SourceError
            As `bars`.
        """
        import polars as pl

        _, chart = self._ask(symbol, "1d", start - _DAY, max(end, self._clock.now()) + _DAY)
        splits = [(_label(at, chart), value) for at, value in chart.splits]
        found = [("split", ts, value) for ts, value in splits]
        for at, cash in chart.dividends:
            ts, shares = _label(at, chart), 1.0
            for split_at, ratio in splits:
                shares *= ratio if split_at > ts else 1.0
            found.append(("dividend", ts, cash * shares))
        rows = [(kind, ts, value, chart.currency, None) for kind, ts, value in found if start <= ts < end]
        return pl.DataFrame(rows, schema=dict(action_schema()), orient="row").sort("ts", "kind")

    def _ask(self, symbol: str, length: Length, start: datetime, end: datetime) -> tuple[Answer, Chart]:
        query = {
            "period1": int(start.timestamp()),
            "period2": int(end.timestamp()),
            "interval": length,
            "events": "div,splits",
            "includePrePost": "false",
        }
        answer = self._asker.get(self._path(symbol), query, about=f"{symbol} {length}")
        return answer, read_chart(answer.document, self._theirs(symbol), length)

    def _theirs(self, symbol: str) -> str:
        return self._names.get(symbol) or symbol.replace(".", "-")

    def _path(self, symbol: str) -> str:
        return f"/v8/finance/chart/{quote(self._theirs(symbol), safe='')}"

    def _require_reach(self, symbol: str, length: Length, start: datetime) -> None:
        if length not in self.lengths:
            raise SourceError(
                f"yahoo has no bars of this length for {symbol}",
                field="length",
                value=length,
                constraint=f"one of {', '.join(self.lengths)}",
                fix="ask for another length, or another venue",
            )
        oldest = self._clock.now() - REACH
        if length == "30m" and start < oldest:
            raise SourceError(
                f"yahoo keeps half-hour bars of {symbol} for 60 days only",
                field="start",
                value=f"{start:%Y-%m-%d %H:%M}",
                constraint=f"not before {oldest:%Y-%m-%d %H:%M} UTC",
                fix="take older bars from the files source or from alpaca, or ask yahoo for daily ones",
            )


def _label(at: datetime, chart: Chart) -> datetime:
    """Return 00:00 UTC of the session date that an instant has at the exchange."""
    return datetime.combine(at.astimezone(chart.zone).date(), datetime.min.time(), UTC)


def _live_day(chart: Chart) -> bool:
    """Tell whether the last daily row is a quote of now: stamped off the open, in an unfinished session.

    A row stamped after the close of its session, and the only one of its date, is that session's bar.
    """
    last = chart.stamps[-1]
    if chart.session is None:
        usual = chart.stamps[-2] if len(chart.stamps) > 1 else last
        return last.astimezone(chart.zone).time() != usual.astimezone(chart.zone).time()
    opens, closes = (at.astimezone(chart.zone) for at in chart.session)
    if last.astimezone(chart.zone).time() == opens.time():
        return False
    ts = _label(last, chart)
    repeated = any(_label(at, chart) == ts for at in chart.stamps[-2:-1])
    over = last >= closes or last.astimezone(chart.zone).date() < opens.date()
    return repeated or not over


def _live_half_hour(chart: Chart) -> bool:
    """Tell whether the last half-hour row is a quote of now: off the half hours, or at the close."""
    last = chart.stamps[-1]
    at_close = chart.session is not None and last == chart.session[1]
    return at_close or (last - datetime.min.replace(tzinfo=UTC)) % HALF_HOUR != timedelta(0)


def _split_quiet(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    import polars as pl

    quiet = pl.all_horizontal(pl.col(COLUMNS[:4]).is_null(), pl.col("volume").fill_null(0.0) == 0.0)
    return rows.filter(~quiet), rows.filter(quiet)


def _live_quote(symbol: str, ts: datetime, at: datetime) -> Finding:
    reason = f"the last row is the quote of {at:%Y-%m-%d %H:%M:%S} UTC and no bar"
    return Finding("live_quote", Severity.INFO, symbol, ts, reason, last=ts)


def _no_trade(symbol: str, quiet: pl.DataFrame) -> Finding:
    stamps = quiet["open_at"].to_list()
    reason = f"{quiet.height} rows without a price: nothing traded, or the venue has not filled them yet"
    return Finding("no_trade", Severity.INFO, symbol, stamps[0], reason, last=stamps[-1], count=quiet.height)
