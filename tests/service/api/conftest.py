"""A service over a made history of four years, in process."""

from datetime import date

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.valuation.history import ChainHistory
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from service.api.app import build_app
from service.api.copy import Copy, Rows

DAYS = 1500
TODAY = date(2019, 2, 10)


def history(days: int = DAYS) -> ChainHistory:
    """Return days from 2015 on whose price follows a power law with noise."""
    at = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-01-01") + days)
    age = (at - np.datetime64("2009-01-03")).astype(float)
    price = 10 ** (-17 + 5.8 * np.log10(age) + 0.1 * np.random.default_rng(7).standard_normal(days))
    supply = 13e6 + 2000.0 * np.arange(days)
    columns = {
        "price_usd": price,
        "supply_btc": supply,
        "s2f": supply / 730_000 * np.exp(0.0003 * np.arange(days)),
        "height": 340_000.0 + 144.0 * np.arange(days),
        "issuance_btc": np.full(days, 2000.0),
        "flow_365_btc": np.full(days, 730_000.0),
        "thermocap_usd": 1e9 + np.cumsum(price * 2000),
        "market_cap_usd": price * supply,
    }
    known = (at + 1).astype("datetime64[us]") + np.timedelta64(1, "h")
    return ChainHistory(at, known, columns)


@pytest.fixture
def copy() -> Copy:
    """A copy of the made history, already read."""
    whole = history()
    made = Copy(
        lambda mark: None if mark else Rows(whole, "made", simulated=True, mark="first"),
        lambda: (PowerLaw(), StockToFlow(), Thermocap()),
    )
    made.refresh()
    return made


@pytest.fixture
def client(copy) -> TestClient:
    """A client on this machine."""
    return TestClient(
        build_app(copy, today=lambda: TODAY), client=("127.0.0.1", 1), raise_server_exceptions=False
    )


@pytest.fixture
def empty() -> TestClient:
    """A client of a service without data."""

    def read(_mark):
        raise RuntimeError("the warehouse is busy")

    made = Copy(read, lambda: (PowerLaw(),))
    made.refresh()
    return TestClient(build_app(made, today=lambda: TODAY), raise_server_exceptions=False)
