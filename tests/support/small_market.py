"""The practice market under the name that tests use."""

from pipeline.lookahead.practice import CALENDARS, START, SmallMarket, small_market, walk

__all__ = ["CALENDARS", "START", "SmallMarket", "small_market", "walk"]
