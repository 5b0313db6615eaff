"""Fills the short gaps of what a source delivered, where the settings ask; see `pipeline.market.imputation`.

It stands between the source and the store, so that one policy serves every source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from resources.market.checked import expected_bars, when_known
from resources.market.port import Window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from pipeline.config.instruments import Instrument
    from pipeline.config.settings import Settings
    from pipeline.market.imputation import Imputation
    from resources.market.port import Fetched, Timeframe

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Imputing:
    """A policy together with the calendars it needs.

    Parameters
    ----------
    policy
        How gaps are filled.
    instruments
        The instrument table; a symbol that is not in it keeps its gaps.
    """

    policy: Imputation
    instruments: Mapping[str, Instrument]

    @classmethod
    def from_settings(cls, settings: Settings) -> Imputing | None:
        """Return what ``checks.imputation`` asks for; None where nothing is to be filled."""
        from pipeline.market.imputation import Imputation

        checks = settings.system.checks
        if checks.imputation == "none":
            return None
        return cls(Imputation(checks.imputation_max_bars), settings.instruments)

    def __call__(
        self, fetched: Fetched, timeframe: Timeframe, *, now: datetime, stored: pl.DataFrame | None = None
    ) -> Fetched:
        """Return the answer with its short gaps filled, a finding ``imputed`` in place of each ``gap``.

        ``stored`` are bars beside the answer, each known from when it first was: the close before a gap may
        be among them.

        Raises
        ------
        InsufficientDataError
            When a symbol would have as many imputed bars as real ones.
        """
        import polars as pl

        from pipeline.market.imputation import impute

        ours = pl.col("symbol").is_in(list(self.instruments))
        gaps = fetched.gaps.filter(ours)
        if gaps.is_empty():
            return fetched
        key = ["symbol", "ts"]
        cells = [self._cells(timeframe, *gap, now) for gap in gaps.select("symbol", "first", "last").rows()]
        real = fetched.frame
        if stored is not None:
            rest = stored.select(real.columns).cast(dict(real.schema))
            real = pl.concat([real, rest.join(real, on=key, how="anti")])
        lacking = pl.concat(cells).join(real, on=key, how="anti")
        whole, left, findings = impute(real, gaps, lacking, self.policy)
        bars = pl.concat([fetched.frame, whole.join(real, on=key, how="anti")]).sort(key)
        filled = {(finding.symbol, finding.ts) for finding in findings}
        said = [f for f in fetched.findings if f.rule != "gap" or (f.symbol, f.ts) not in filled]
        return replace(
            fetched,
            frame=bars.filter(pl.col("known_at") <= now),
            gaps=pl.concat([left, fetched.gaps.filter(~ours)]),
            findings=(*said, *findings),
        )

    def _cells(
        self, timeframe: Timeframe, symbol: str, first: datetime, last: datetime, now: datetime
    ) -> pl.DataFrame:
        import polars as pl

        instrument = self.instruments[symbol]
        cells = expected_bars(instrument, timeframe, Window(first, last + _MOMENT), now=now)
        times = (cells[name].dt.replace_time_zone(None).to_numpy() for name in ("ts", "close_at"))
        there = pl.Series("known_at", when_known(instrument, timeframe, *times, None))
        placed = cells.with_columns(there.dt.replace_time_zone("UTC"), symbol=pl.lit(symbol))
        return placed.select("symbol", "ts", "open_at", "close_at", "minutes", "known_at")
