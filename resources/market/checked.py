"""What every adapter does with the bars it has: expect, validate, and wrap up as `Fetched`.

The calendar of a symbol and the rule by which its daily bar becomes known come from the instrument table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.instruments import AssetClass, Instrument
from resources.market.port import Fetched, Timeframe, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    import polars as pl

    from pipeline.arrays import Time1D
    from pipeline.market.findings import Finding

_RULE = {
    AssetClass.EQUITY: "session_close",
    AssetClass.CRYPTO: "utc_day",
    AssetClass.INDEX: "vix_settlement",
}


def when_known(
    instrument: Instrument, timeframe: Timeframe, ts: Time1D, close_at: Time1D, lag: timedelta | None
) -> Time1D:
    """Return when bars of an instrument are known, shape ``(n,)``.

    Parameters
    ----------
    instrument
        Its asset class chooses the rule of a daily bar.
    timeframe
        H4 bars are known at their close plus lag, daily bars by `pipeline.calendar.known`.
    ts, close_at
        Labels and closes, ``datetime64[us]``.
    lag
        Delay of the vendor; None: none for H4 bars, the rule's default for daily ones.
    """
    from pipeline.calendar.known import OWN_LAG, bar_known_at, known_at

    if timeframe == "h4":
        return bar_known_at(close_at, OWN_LAG if lag is None else lag)
    return known_at(daily_rule(instrument), ts, calendar=instrument.calendar, lag=lag)


def daily_rule(instrument: Instrument) -> str:
    """Return the name of the rule by which a daily bar of this instrument becomes known."""
    return _RULE[instrument.asset_class]


def expected_bars(
    instrument: Instrument,
    timeframe: Timeframe,
    window: Window,
    *,
    now: datetime,
    lag: timedelta | None = None,
) -> pl.DataFrame:
    """Return ``ts, open_at, close_at, minutes`` of the bars that a complete source has at ``now``."""
    import polars as pl

    from pipeline.calendar.sessions import expected_daily, expected_h4

    expect = expected_h4 if timeframe == "h4" else expected_daily
    end = window.until(now)
    end = max(window.start, end)
    expected = expect(instrument.calendar, window.start, end)
    columns = (expected[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
    known = pl.Series(when_known(instrument, timeframe, *columns, lag)).dt.replace_time_zone("UTC")
    return expected.filter(known <= now)


def checked_bars(
    frame: pl.DataFrame,
    *,
    timeframe: Timeframe,
    expected: Mapping[str, pl.DataFrame],
    now: datetime,
    beside: tuple[pl.DataFrame, Sequence[Finding]] | None = None,
    allow_straddle: bool = False,
) -> Fetched:
    """Validate bars and return what is clean, with everything that was set aside.

    Parameters
    ----------
    frame
        Bars in the columns of ``BAR_SCHEMA``.
    expected
        Per symbol the bars it should have, from `expected_bars`.
    beside
        Rows already quarantined and findings already made while reading.
    allow_straddle
        Whether bars may open before their cell.

    Raises
    ------
    SchemaError, TimestampError, DataError
        When the frame is not one of bars at all.
    """
    import polars as pl

    from pipeline.market.set_aside import whole_findings
    from pipeline.market.validation import validate_bars

    done = validate_bars(
        frame, timeframe=timeframe, expected=expected, now=now, allow_straddle=allow_straddle
    )
    before, said = beside or (done.quarantined.clear(), ())
    aside = pl.concat([before, done.quarantined])
    return Fetched(
        frame=done.clean,
        quarantined=aside,
        findings=(*said, *done.findings, *whole_findings(done.clean, aside, done.gaps, timeframe)),
        gaps=done.gaps,
    )
