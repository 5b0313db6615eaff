"""What a strategy may see: bars and features as known at each decision, and no positions.

A strategy that remembers is a causal scan over its own signals.  `View` is the same seen from one decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.arrays import AnyArray, Float1D, Float2D, Int8, Time1D, Time2D
from pipeline.calendar.grid import from_time64, to_time64
from pipeline.errors import ComponentNotFoundError, ConfigError, DataError, SchemaError

if TYPE_CHECKING:
    from pipeline.market.panel import Panel


@dataclass(frozen=True, eq=False)
class Context:
    """Bars, features and regimes of several assets, read-only.

    Parameters
    ----------
    panel
        Bars on the gapless H4 axis.
    features
        By name, shape ``(bars, assets)``: row ``t`` holds what was known at the decision of cell ``t``; NaN
        where nothing was.
    regimes
        By dimension of `pipeline.regimes.vocabulary`, codes of shape ``(bars,)``: the label in force at each
        decision.  Empty where nobody asked for them.

    Raises
    ------
    SchemaError
        When a feature does not have the panel's shape, or a regime not its bars.
    """

    panel: "Panel"
    features: Mapping[str, Float2D]
    regimes: Mapping[str, Int8] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.panel.n_bars, self.panel.n_assets)
        held = {}
        for name, values in self.features.items():
            if values.shape != shape:
                raise SchemaError("a feature does not fit the panel", name, values.shape, f"shape {shape}")
            held[name] = values.view()
            held[name].flags.writeable = False
        object.__setattr__(self, "features", MappingProxyType(held))
        states = {}
        for name, codes in self.regimes.items():
            if codes.shape != shape[:1]:
                raise SchemaError("a regime does not fit the panel", name, codes.shape, f"shape {shape[:1]}")
            states[name] = codes.view()
            states[name].flags.writeable = False
        object.__setattr__(self, "regimes", MappingProxyType(states))

    @property
    def symbols(self) -> tuple[str, ...]:
        """One per column."""
        return self.panel.symbols

    @property
    def ts(self) -> Time1D:
        """Labels of the cells, shape ``(bars,)``."""
        return self.panel.ts

    @property
    def decisions(self) -> Time1D:
        """Instants of the decisions, shape ``(bars,)``."""
        return self.panel.decisions

    @property
    def known_at(self) -> Time2D:
        """When each bar could be known, shape ``(bars, assets)``."""
        return self.panel.known_at

    @property
    def shape(self) -> tuple[int, int]:
        """``(bars, assets)``."""
        return self.panel.n_bars, self.panel.n_assets

    def feature(self, name: str) -> Float2D:
        """Return a feature by name.

        Raises
        ------
        ComponentNotFoundError
            When it was not computed for this context.
        """
        if name not in self.features:
            raise ComponentNotFoundError(
                "the context lacks a feature",
                "features",
                name,
                f"one of {', '.join(sorted(self.features))}",
                "name it in the strategy's features(params)",
            )
        return self.features[name]

    def regime(self, dimension: str) -> Int8:
        """Return the codes of a dimension of regimes, shape ``(bars,)``.

        Raises
        ------
        ComponentNotFoundError
            When it was not computed for this context.
        """
        if dimension not in self.regimes:
            raise ComponentNotFoundError(
                "the context lacks a dimension of regimes",
                "regimes",
                dimension,
                f"one of {', '.join(self.regimes) or 'none'}",
                "name it in the strategy's regimes",
            )
        return self.regimes[dimension]

    def only(self, symbols: Sequence[str]) -> "Context":
        """Return the context of some symbols, in their order, its bars read-only and without payments.

        Raises
        ------
        ConfigError
            When a symbol is not in the context.
        """
        absent = [symbol for symbol in symbols if symbol not in self.symbols]
        if absent:
            raise ConfigError(
                f"there are no bars of {', '.join(absent)}",
                "universe",
                absent,
                f"among {', '.join(self.symbols)}",
                "load them or shorten the universe",
            )
        same = tuple(symbols) == self.symbols
        columns = [self.symbols.index(symbol) for symbol in symbols]

        def chosen(values: AnyArray) -> AnyArray:
            kept = values.view() if same or values.ndim == 1 else np.take(values, columns, axis=1)
            kept.flags.writeable = False
            return kept

        names = [each.name for each in fields(self.panel) if each.name not in {"symbols", "flows"}]
        bars = {name: chosen(getattr(self.panel, name)) for name in names}
        panel = replace(self.panel, symbols=tuple(symbols), flows=None, **bars)
        return Context(panel, {name: chosen(values) for name, values in self.features.items()}, self.regimes)

    def upto(self, i: int) -> "Context":
        """Return what was there at decision ``i``: the same context cut behind it."""
        cut = {name: values[: i + 1] for name, values in self.features.items()}
        states = {name: codes[: i + 1] for name, codes in self.regimes.items()}
        return Context(self.panel.upto(i), cut, states)

    def at(self, t: datetime) -> "View":
        """Return the view of the decision taken at ``t``.

        Raises
        ------
        DataError
            When no decision of the context is taken then.
        """
        rows = np.flatnonzero(self.decisions == to_time64(t, "t"))
        if not rows.size:
            raise DataError("no decision is taken then", "t", t, "an H4 instant inside the context")
        return View(self, int(rows[0]))


@dataclass(frozen=True, eq=False)
class View:
    """One decision: everything known at that instant, nothing later."""

    context: Context
    row: int

    @property
    def timestamp(self) -> datetime:
        """Instant of the decision, aware."""
        return from_time64(self.context.decisions[self.row])

    def feature(self, name: str, symbol: str) -> float:
        """Return the feature of an asset as known now, NaN where it is unknown."""
        return float(self.context.feature(name)[self.row, self._column(symbol)])

    def closes(self, symbol: str, n: int) -> Float1D:
        """Return the last ``n`` closes known now, oldest first; fewer where fewer are known."""
        panel, column = self.context.panel, self._column(symbol)
        known = panel.known_at[: self.row + 1, column] <= self.context.decisions[self.row]
        closes = panel.close[: self.row + 1, column][known]
        return closes[~np.isnan(closes)][-n:] if n > 0 else closes[:0]

    def price(self, symbol: str) -> float:
        """Return the last close known now.

        Raises
        ------
        KeyError
            When the symbol is not in the context.
        DataError
            When no close is known yet.
        """
        last = self.closes(symbol, 1)
        if not last.size:
            raise DataError("no price is known yet", "symbol", symbol, f"a close known by {self.timestamp}")
        return float(last[0])

    def _column(self, symbol: str) -> int:
        if symbol not in self.context.symbols:
            raise KeyError(symbol)
        return self.context.symbols.index(symbol)
