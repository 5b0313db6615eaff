"""Who owns what of an account kept the slow way: dictionaries by member and symbol, one decision at a time.

Written from the definitions on paper, not from the ledger of the kernel.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.reference_account import CELL, Account, bars_of, pay, stages

RULES = ("kill", "halt", "derisk", "asset_cap", "class_cap", "leverage")


@dataclass
class Decision:
    shares: dict
    deltas: dict
    terms: dict
    earned: dict
    states: tuple


@dataclass
class Book(Account):
    members: tuple = ()
    owners: dict = field(default_factory=dict)
    decisions: list = field(default_factory=list)
    traded: dict = field(default_factory=dict)
    sent: dict = field(default_factory=dict)
    done: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)
    received: dict = field(default_factory=dict)
    trades: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        self.owners = {s: dict.fromkeys(self.members, 0.0) for s in self.assets}
        self.traded = dict.fromkeys(self.members, 0.0)
        self.received = dict.fromkeys(self.members, 0.0)
        self.trades = dict.fromkeys(self.members, 0)

    def trade(self, symbol, units, bar, row):
        cash = self.cash
        super().trade(symbol, units, bar, row)
        if units:
            price = self.fills[-1][3]
            self.done[symbol] = (units, bar.open, cash - self.cash - units * bar.open, abs(units) * price)

    def receive(self, symbol, money):
        super().receive(symbol, money)
        if money:
            self.hand_out(self.received, symbol, money)

    def split(self, symbol, row, ratio):
        super().split(symbol, row, ratio)
        if self.prices.get(symbol) is not None:
            self.prices[symbol] /= ratio

    def open_markets(self, since, until, row):
        self.before, self.old_prices = dict(self.units), dict(self.prices)
        self.sent = {s: order.units for s, order in self.orders.items()}
        self.allowed, self.done = {}, {}
        super().open_markets(since, until, row)
        for s, units in self.sent.items():
            terms, one = self.decisions[-1].terms[s], self.prices[s] / self.nav
            got = self.done[s][0] if s in self.done else 0.0
            if s in self.allowed:
                terms["volume"] += (self.allowed[s] - units) * one
                terms["reject"] += (got - self.allowed[s]) * one
            else:
                terms["reject"] -= units * one

    def decide_for(self, row, now, contributions):
        """``contributions[member][symbol]`` is budget times weight."""
        wanted = {s: netted([contributions[m][s] for m in self.members]) for s in self.assets}
        self.decide(row, now, wanted)
        earned = self.earnings()
        steps = stages(self, wanted, self.held, killed=self.killed)
        deltas = {s: [b[s] - a[s] for a, b in pairwise(steps)] for s in self.assets}
        target = steps[-1]
        shares = {}
        for s in self.assets:
            kept = target[s] / wanted[s] if wanted[s] else 1.0
            shares[s] = {m: contributions[m][s] * kept for m in self.members}
        terms = {s: self.apart(s, target[s]) for s in self.assets}
        states = (self.killed, self.halted_for is not None, self.derisked)
        self.decisions.append(Decision(shares, deltas, terms, earned, states))
        for s in self.assets:
            if s not in self.orders and target[s] != 0.0:
                self.owners[s] = dict(shares[s])

    def apart(self, s, target):
        """What lies between a target and what is held, as far as the decision itself knows."""
        found = dict.fromkeys(("band", "lot", "volume", "reject"), 0.0)
        if s not in self.asked:
            found["band"] = self.held[s] - target
        elif self.prices[s] is None:
            found["reject"] = -target
        else:
            one = self.prices[s] / self.nav
            found["lot"] = (self.units[s] + self.asked[s]) * one - target
            if s not in self.orders:
                found["reject"] = -self.asked[s] * one
        return found

    def earnings(self):
        """What each member earned since the last decision."""
        earned, self.received = self.received, dict.fromkeys(self.members, 0.0)
        for s in self.assets:
            if s not in self.done:
                if self.before.get(s, 0.0):
                    self.hand_out(earned, s, self.before[s] * (self.prices[s] - self.old_prices[s]))
                continue
            _, opened, cost, notional = self.done[s]
            if self.before[s]:
                self.hand_out(earned, s, self.before[s] * (opened - self.old_prices[s]))
            shares = self.decisions[-1].shares[s]
            moves = {m: abs(shares[m] - self.owners[s][m]) for m in self.members}
            if sum(moves.values()) <= 1e-12 * sum(map(abs, self.owners[s].values())):
                moves = self.owners[s]
            for m in self.members:
                earned[m] -= cost * moves[m] / sum(moves.values())
                self.traded[m] += notional * moves[m] / sum(moves.values())
                self.trades[m] += abs(moves[m] / sum(moves.values())) > 1e-12
            if self.targets[-2][s] != 0.0:
                self.owners[s] = dict(shares)
            if self.units[s]:
                self.hand_out(earned, s, self.units[s] * (self.prices[s] - opened))
        return earned

    def hand_out(self, earned, s, money):
        for m in self.members:
            earned[m] += money * self.owners[s][m] / sum(self.owners[s].values())


def netted(parts):
    """The sum; what only rounding leaves of opposite parts is nothing."""
    total = sum(parts)
    opposite = min(parts) < 0 and abs(total) <= 1e-15 * sum(map(abs, parts))
    return 0.0 if opposite else total


def run(panel, contributions, rules, assets, initial_nav, killed, start=0):
    """Return the book after the whole panel; ``contributions`` has shape ``(bars, members, assets)``."""
    members = tuple(range(contributions.shape[1]))
    by_symbol = {asset.symbol: asset for asset in assets}
    book = Book(rules, by_symbol, initial_nav, bars_of(panel), members=members)
    for row in range(start, panel.n_bars):
        now = int(panel.ts[row].astype("int64")) + CELL
        book.killed = bool(killed[row])
        pay(book, panel, row)
        book.open_markets(now - CELL, now, row - start)
        rows = contributions[row].tolist()
        book.decide_for(row, now, {m: dict(zip(panel.symbols, rows[m], strict=True)) for m in members})
    return book
