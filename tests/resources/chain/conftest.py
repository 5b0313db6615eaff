"""Nodes served on loopback, and the sources that ask there."""

import pytest

from resources.chain.node import Node
from resources.clock import SimulatedClock
from tests.support.loopback.server import LoopbackServer
from tests.support.node_source import NOW, SETTINGS


@pytest.fixture
def serve():
    """Return a function that serves a node and gives the source that asks there."""
    servers = []

    def serve(node, *, environ=None, now=NOW, settings=None, **how):
        clock = SimulatedClock(now)
        servers.append(LoopbackServer(node, clock=clock, **how).__enter__())
        chosen = {"url": servers[-1].url, "batch": 10, "timeout_s": 0.3, **(settings or {})}
        return Node(SETTINGS.model_copy(update=chosen), environ or {}, clock)

    yield serve
    for server in servers:
        server.__exit__(None, None, None)
