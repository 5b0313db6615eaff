"""The app over a simulated chain, asked in this process; no warehouse, no socket."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from assets.valuation.inputs import ValuationInputs
from pipeline.config.load import load_settings
from pipeline.errors import BellsError
from resources.clock import SimulatedClock
from resources.home import ROOT
from service.api.app import build_app
from service.api.keys import Keys
from service.api.refresh import Keeper
from tests.support.chain_histories import simulated_history
from warehouse.manifest import Input

NOW = datetime(2014, 8, 28, 12, tzinfo=UTC)
SETTINGS = load_settings(root=ROOT, environ={}).settings


@dataclass
class FakeSource:
    """A source of copies that a test turns and breaks."""

    history: object
    number: int = 0
    trouble: BellsError | None = None
    reads: int = 0
    marks: list[int] = field(default_factory=list)
    judged: object = None

    def mark(self):
        if self.trouble is not None:
            raise self.trouble
        self.marks.append(self.number)
        return self.number

    def read(self, at):
        self.reads += 1
        name = f"digest-{self.history.n}"
        return ValuationInputs(
            self.history, "sample", simulated=True, latest_revision=False,
            inputs=(Input("chain.metrics_daily", at, self.history.n, name),),
        )  # fmt: skip

    def board(self, feed, at):
        return self.judged


@pytest.fixture(scope="session")
def chain():
    return simulated_history(1500)


@pytest.fixture
def source(chain):
    return FakeSource(chain)


@pytest.fixture
def clock():
    return SimulatedClock(NOW)


@pytest.fixture
def keeper(source, clock):
    return Keeper(source, SETTINGS.valuation, clock, poll_s=3600.0)


@pytest.fixture(scope="session")
def ready(chain):
    """A keeper with a copy, built once; tests that change it make their own."""
    made = Keeper(FakeSource(chain), SETTINGS.valuation, SimulatedClock(NOW), poll_s=3600.0)
    made.look()
    return made


class Client:
    """Requests to an app in this process."""

    def __init__(self, app, host="127.0.0.1"):
        self.app = app
        self.host = host

    def __call__(self, method, path, **options):
        import asyncio

        async def ask():
            transport = httpx.ASGITransport(self.app, client=(self.host, 1234), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, **options):
        return self("POST", path, **options)


@pytest.fixture
def client(ready):
    return Client(build_app(SETTINGS, ready))


@pytest.fixture
def client_of():
    def make(keeper, *keys, host="127.0.0.1"):
        return Client(build_app(SETTINGS, keeper, Keys(keys)), host)

    return make
