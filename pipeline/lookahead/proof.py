"""The proof: another future after many instants, everything computed again, and what was known compared.

What is computed is given as drivers; which source rows there are, as stretches of history.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl

from pipeline.calendar.grid import CELL, cell_label
from pipeline.errors import BellsError
from pipeline.lookahead.compare import KNOWN_AT, Compared, compare
from pipeline.lookahead.leaks import KEY, PLANTS, Plant
from pipeline.lookahead.perturb import MILD, MODES, WILD, Mode, World, forming_perturbed, perturbed
from pipeline.seeds import stream

T = TypeVar("T")
_BARS = ("market.ohlcv_h4", "market.ohlcv_daily")
MOST_PLACES = 20
_MOMENT = timedelta(microseconds=1)
MOST_PLANTED = 8
"""Leaks and twins see the daily bars of so many symbols, those with H4 bars first."""
_INSTANTS = 4
"""Kinds of instants: at a decision, just before one, when a row becomes known, and anywhere."""


@dataclass(frozen=True)
class Driver(Generic[T]):
    """How one thing of the graph is computed from source rows.

    Parameters
    ----------
    name
        Asset key ``schema/table``, or ``strategy:NAME``.
    key
        Columns that name a row of the answer.
    compute
        From an opened world and the instant of the cut to rows with ``known_at``.
    every
        Computed in every so many perturbations.
    cut
        Whether the answer depends on the instant, as a window that is closed by then.
    """

    name: str
    key: tuple[str, ...]
    compute: Callable[[T, datetime], pl.DataFrame]
    every: int = 1
    cut: bool = False


@dataclass(frozen=True)
class Stretch:
    """Some years of source rows.

    Parameters
    ----------
    world
        The rows.
    first, last
        Instants of cuts lie between them.
    """

    world: World
    first: datetime
    last: datetime


@dataclass
class Tally:
    """What was seen of one driver."""

    perturbations: int = 0
    cells: int = 0
    changed: int = 0
    stopped: int = 0

    def add(self, seen: Compared) -> None:
        """Count one comparison."""
        self.perturbations += 1
        self.cells += seen.cells
        self.changed += seen.changed


@dataclass
class Proof:
    """What a proof found.

    Parameters
    ----------
    perturbations, forming
        Other futures of everything, and of forming bars alone.
    by_mode
        Perturbations of each mode.
    drivers
        By name of the driver.
    caught, false_alarms
        Planted leaks that were noticed, and honest twins that were.
    planted_perturbations
        In how many perturbations leaks and twins were computed.
    places
        The first cells that changed.
    """

    perturbations: int = 0
    forming: int = 0
    by_mode: Counter[str] = field(default_factory=Counter)
    drivers: dict[str, Tally] = field(default_factory=dict)
    caught: dict[str, int] = field(default_factory=dict)
    false_alarms: dict[str, int] = field(default_factory=dict)
    planted_perturbations: int = 0
    places: list[dict[str, Any]] = field(default_factory=list)

    @property
    def cells(self) -> int:
        """Cells compared, those of planted leaks not among them."""
        return sum(tally.cells for tally in self.drivers.values())

    @property
    def changed(self) -> int:
        """Cells that changed though they were known."""
        return sum(tally.changed for tally in self.drivers.values())

    @property
    def undriven(self) -> list[str]:
        """Drivers that were never compared, or never on any cell."""
        return sorted(name for name, tally in self.drivers.items() if not tally.cells)

    def take(self, name: str, seen: Compared, **where: object) -> None:
        """Count one comparison of a driver."""
        self.drivers.setdefault(name, Tally()).add(seen)
        self.places += [{"what": name, **where, **place} for place in seen.places]
        del self.places[MOST_PLACES:]


def prove(
    stretches: Sequence[Stretch],
    drivers: Sequence[Driver[T]],
    opened: Callable[[World, datetime], T],
    *,
    perturbations: int,
    seed: int,
    plants: Sequence[Plant] = PLANTS,
    plants_every: int = 8,
    forming: int = 0,
) -> Iterator[Proof]:
    """Yield the growing proof after every perturbation.

    Parameters
    ----------
    stretches
        Taken one after the other, an equal share of the perturbations each.
    drivers
        What is computed.
    opened
        Makes a world and the end of its stretch into what drivers take; called once for each world.
    perturbations, forming
        How many futures of all rows known later, and of forming bars alone.
    seed
        Of instants and futures.
    plants, plants_every
        Leaks and twins, computed in every so many perturbations, and until each leak was caught.
    """
    proof = Proof(
        drivers={driver.name: Tally() for driver in drivers},
        caught={plant.name: 0 for plant in plants},
        false_alarms={plant.name: 0 for plant in plants},
    )
    for place, stretch in enumerate(stretches):
        runner = _Runner(stretch, drivers, opened, plants, proof)
        for number in range(place, perturbations, len(stretches)):
            rng = stream(seed, "lookahead", number)
            turn = number // len(stretches)
            mode = MODES[turn % len(MODES)]
            at = instant_of(stretch, turn // len(MODES), rng)
            runner.perturb(at, mode, rng, turn, planted=turn % plants_every == 0)
            proof.perturbations += 1
            proof.by_mode[mode] += 1
            yield proof
        for number in range(place, forming, len(stretches)):
            rng = stream(seed, "lookahead/forming", number)
            at = cell_label(instant_of(stretch, 3, rng)) + CELL * float(rng.uniform(0.05, 0.95))
            runner.form(at, rng)
            proof.forming += 1
            yield proof


class _Runner(Generic[T]):
    """One stretch: the answers of the world as it was, kept, and comparisons with them."""

    def __init__(
        self,
        stretch: Stretch,
        drivers: Sequence[Driver[T]],
        opened: Callable[[World, datetime], T],
        plants: Sequence[Plant],
        proof: Proof,
    ) -> None:
        self._world = stretch.world
        self._drivers, self._opened, self._plants, self._proof = drivers, opened, plants, proof
        self._open = opened(stretch.world, stretch.last)
        self._end = stretch.last
        self._before: dict[str, pl.DataFrame] = {}
        self._few = _few_symbols(stretch.world)

    def perturb(
        self, at: datetime, mode: Mode, rng: np.random.Generator, turn: int, *, planted: bool
    ) -> None:
        """Compare everything that is due with its answer in one other future."""
        other = perturbed(self._world, at, mode, rng, WILD)
        due = [driver for place, driver in enumerate(self._drivers) if self._is_due(driver, turn + place)]
        for driver in self._drive(due, other, at, mode=mode):
            # Too wild a future ends some computations (a bankruptcy): a milder one is compared instead.
            milder = perturbed(self._world, at, mode, rng, MILD)
            for stopped in self._drive([driver], milder, at, mode=mode):
                self._proof.drivers[stopped.name].stopped += 1
        if planted or not all(self._proof.caught.values()):
            self._proof.planted_perturbations += 1
            for plant in self._plants:
                leak, twin = f"leak {plant.name}", f"twin of {plant.name}"
                self._proof.caught[plant.name] += self._notices(leak, plant.leaky, other, at)
                self._proof.false_alarms[plant.name] += self._notices(twin, plant.honest, other, at)

    def form(self, at: datetime, rng: np.random.Generator) -> None:
        """Compare everything with its answer where only bars that form differ."""
        other = forming_perturbed(self._world, at, rng)
        for stopped in self._drive(self._drivers, other, at, mode="forming"):
            self._proof.drivers[stopped.name].stopped += 1

    def _is_due(self, driver: Driver[T], turn: int) -> bool:
        """Say whether it is a driver's turn; one that was not compared yet does not wait for it."""
        return turn % driver.every == 0 or not self._proof.drivers[driver.name].cells

    def _notices(
        self, name: str, compute: Callable[[World], pl.DataFrame], other: World, at: datetime
    ) -> bool:
        """Say whether a known cell of a leak or a twin changed."""
        before = self._known(name, lambda: compute(self._of_few(self._world)))
        return compare(before, compute(self._of_few(other)), KEY, at).changed > 0

    def _of_few(self, world: World) -> World:
        daily = world[_BARS[1]].filter(pl.col("symbol").is_in(self._few))
        return {**world, _BARS[1]: daily}

    def _drive(
        self, drivers: Sequence[Driver[T]], other: World, at: datetime, *, mode: str
    ) -> list[Driver[T]]:
        """Compare drivers; return those whose computation ended in an error of the desk."""
        world, stopped = self._opened(other, self._end), []
        for driver in drivers:
            try:
                before = (
                    driver.compute(self._open, at)
                    if driver.cut
                    else self._known(driver.name, partial(driver.compute, self._open, at))
                )
                after = driver.compute(world, at)
            except BellsError:
                stopped.append(driver)
                continue
            self._proof.take(driver.name, compare(before, after, driver.key, at), mode=mode, at=at)
        return stopped

    def _known(self, name: str, compute: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return the answer in the world as it was, computed once."""
        if name not in self._before:
            self._before[name] = compute()
        return self._before[name]


def _few_symbols(world: World) -> list[str]:
    named = [world[name]["symbol"].unique().sort().to_list() for name in _BARS if name in world]
    return list(dict.fromkeys(symbol for names in named for symbol in names))[:MOST_PLANTED]


def instant_of(stretch: Stretch, kind: int, rng: np.random.Generator) -> datetime:
    """Return an instant in a stretch: where causality is most at risk, or anywhere."""
    span = stretch.last - stretch.first
    anywhere = stretch.first + span * float(rng.random())
    decision = cell_label(anywhere) + CELL
    kind %= _INSTANTS
    if kind == 0:
        return decision
    if kind == 1:
        return decision - _MOMENT
    if kind == 2:  # noqa: PLR2004 - the third kind
        tables = [rows for rows in stretch.world.values() if rows.height]
        known = tables[int(rng.integers(len(tables)))][KNOWN_AT]
        near = known.filter(known.is_between(stretch.first, stretch.last))
        if len(near):
            return near[int(rng.integers(len(near)))] - _MOMENT * int(rng.integers(2))
    return anywhere
