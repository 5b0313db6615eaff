"""The sample world up to two years in, its source rows, and the bench that computes the graph from them."""

from pathlib import Path

from assets.lookahead.drivers import Bench
from assets.lookahead.sources import Sources, read_sources, stretches
from pipeline.lookahead.proof import Stretch
from resources.desk import Desk
from tests.support.desk import START, desk_at

NOW = START.replace(year=2020, month=11, day=20)
"""Less than a stretch after the world begins, so there is one stretch."""


def small_graph(home: Path) -> tuple[Desk, Sources, Bench, Stretch]:
    """Return a desk, what its source holds, and what is proved with it."""
    desk = desk_at(home, NOW)
    sources = read_sources(desk)
    bench = Bench(desk, sources, NOW)
    (stretch,) = stretches(sources, bench.symbols())
    return desk, sources, bench, stretch
