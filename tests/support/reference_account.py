"""An account kept the slow way: a list of events in time, dictionaries by symbol, one order object each.

Written from the rules on paper, not from the kernel; the tests hold the kernel against it.
"""

import math
from dataclasses import dataclass, field
from statistics import median

CELL = 4 * 3600 * 1_000_000


@dataclass
class Bar:
    symbol: str
    row: int
    open_at: int
    known_at: int
    open: float
    close: float
    volume: float


@dataclass
class Order:
    symbol: str
    units: float
    decided: int


@dataclass
class Account:
    rules: object
    assets: dict
    cash: float
    bars: dict
    units: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    carried: set = field(default_factory=set)
    acted: dict = field(default_factory=dict)
    peak: float = 0.0
    nav: float = 0.0
    halted_for: int | None = None
    derisked: bool = False
    fills: list = field(default_factory=list)
    navs: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    cashes: list = field(default_factory=list)
    killed: bool = False
    prices: dict = field(default_factory=dict)
    held: dict = field(default_factory=dict)
    asked: dict = field(default_factory=dict)
    allowed: dict = field(default_factory=dict)
    splits: dict = field(default_factory=dict)
    interest: float = 0.0
    dividends: float = 0.0
    split_orders: int = 0

    def __post_init__(self):
        self.peak = self.nav = self.cash
        self.units = dict.fromkeys(self.assets, 0.0)
        self.acted = dict.fromkeys(self.assets, 0.0)

    def known_close(self, symbol, now):
        known = [bar for bar in self.bars[symbol] if bar.known_at <= now]
        if not known:
            return None
        newest = max(known, key=lambda bar: bar.row)
        return newest.close / self.units_since(symbol, newest.row)

    def units_since(self, symbol, row):
        """How many units of now one unit of the cell ``row`` has become."""
        return math.prod(ratio for at, ratio in self.splits.get(symbol, ()) if at > row)

    def pay(self, row, dividends, splits, credit, debit):
        """What is due when a cell begins: cash for each unit held, units for units, interest on cash."""
        for symbol in self.assets:
            self.receive(symbol, self.units[symbol] * dividends[symbol])
            if splits[symbol] != 1.0:
                self.split(symbol, row, splits[symbol])
        interest = self.cash * (credit if self.cash > 0 else debit)
        self.cash += interest
        self.interest += interest

    def receive(self, symbol, money):
        self.cash += money
        self.dividends += money

    def split(self, symbol, row, ratio):
        self.splits.setdefault(symbol, []).append((row, ratio))
        self.units[symbol] *= ratio
        if symbol in self.orders:
            self.orders[symbol].units *= ratio
            self.split_orders += 1

    def volume_cap(self, order, bar):
        if math.isinf(self.rules.volume_share):
            return math.inf
        same_cell = [
            b.volume * self.units_since(order.symbol, b.row)
            for b in self.bars[order.symbol]
            if b.row < bar.row
            and (bar.row - b.row) % 6 == 0
            and b.known_at <= order.decided
            and not math.isnan(b.volume)
        ]
        last = same_cell[-self.rules.volume_lookback :]
        if len(last) < self.rules.volume_lookback:
            return math.inf
        return self.rules.volume_share * median(last)

    def lots(self, symbol, units):
        lot = self.assets[symbol].lot
        if lot == 0 or math.isinf(units):
            return units
        return math.copysign(math.floor(abs(units) / lot + 1e-9) * lot, units)

    def costs(self, symbol):
        cost = self.rules.costs[self.assets[symbol].asset_class]
        return cost.slippage_bps / 10_000, cost.fee_bps / 10_000

    def trade(self, symbol, units, bar, row):
        if units == 0:
            return
        slip, fee = self.costs(symbol)
        price = bar.open * (1 + slip if units > 0 else 1 - slip)
        self.cash -= units * price + abs(units) * price * fee
        self.units[symbol] += units
        if self.assets[symbol].lot:
            lot = self.assets[symbol].lot
            lots = self.units[symbol] / lot
            self.units[symbol] = (
                round(lots) * lot if abs(lots - round(lots)) <= 1e-9 * max(1, abs(lots)) else lots * lot
            )
        self.fills.append((row, symbol, units, price))

    def due(self, since, until):
        waiting = {}
        for symbol in self.orders:
            coming = [bar for bar in self.bars[symbol] if since <= bar.open_at < until]
            if coming and coming[0].volume != 0:
                waiting.setdefault(coming[0].open_at, []).append((symbol, coming[0]))
        return waiting

    def open_markets(self, since, until, row):
        """All opens in ``[since, until)``, instant by instant."""
        waiting = self.due(since, until)
        for instant in sorted(waiting):
            buys = []
            for symbol, bar in waiting[instant]:
                order = self.orders.pop(symbol)
                cap = self.lots(symbol, self.volume_cap(order, bar))
                units = order.units
                if abs(units) > cap:
                    units = math.copysign(cap, units)
                    if self.rules.carry_unfilled:
                        self.carried.add(symbol)
                self.allowed[symbol] = units
                if units < 0:
                    self.trade(symbol, units, bar, row)
                elif units > 0:
                    buys.append((symbol, units, bar))
            need = 0.0
            for symbol, units, bar in buys:
                slip, fee = self.costs(symbol)
                need += units * bar.open * (1 + slip) * (1 + fee)
            have = self.cash + self.rules.borrowing * self.nav
            have = have if have > 1e-12 * self.nav else 0.0
            for symbol, units, bar in buys:
                paid = units if need <= have else self.lots(symbol, units * (have / need))
                self.trade(symbol, paid, bar, row)

    def decide(self, row, now, wanted):
        prices = self.prices = {symbol: self.known_close(symbol, now) for symbol in self.assets}
        value = {s: u * prices[s] if u else 0.0 for s, u in self.units.items()}
        self.nav = self.cash + sum(value.values())
        held = self.held = {s: v / self.nav for s, v in value.items()}
        self.watch_drawdown()
        self.asked = {}
        target, cut = clamped(self, wanted, held, killed=self.killed)
        self.navs.append(self.nav)
        self.cashes.append(self.cash)
        self.targets.append(dict(target))
        tight = strained(self, held, target, cut)
        for symbol in self.assets:
            self.consider(symbol, target[symbol], held[symbol], prices[symbol], symbol in tight, now)

    def watch_drawdown(self):
        r = self.rules
        if self.halted_for is not None:
            self.halted_for += 1
            if r.resume_after_bars is not None and self.halted_for >= r.resume_after_bars:
                self.halted_for, self.derisked, self.peak = None, False, self.nav
        self.peak = max(self.peak, self.nav)
        fall = (self.peak - self.nav) / self.peak
        if fall >= r.drawdown_trigger:
            self.derisked = True
        elif fall <= r.drawdown_release:
            self.derisked = False
        if fall >= r.drawdown_halt and self.halted_for is None:
            self.halted_for = 0

    def consider(self, symbol, target, held, price, tight, now):
        r = self.rules
        waiting = symbol in self.orders or symbol in self.carried
        band = max(r.rebalance_band_nav, r.rebalance_band_target * abs(target))
        old = self.acted[symbol]
        changed = (target == 0) != (old == 0) or target * old < 0 or abs(target - old) > band
        if not (waiting or tight or changed or abs(held - target) > band):
            return
        self.orders.pop(symbol, None)
        self.carried.discard(symbol)
        self.asked[symbol] = 0.0
        if price is None:
            return
        if target == 0:
            units = -self.units[symbol]
        else:
            units = self.lots(symbol, target * self.nav / price - self.units[symbol])
        if target != 0 and abs(units) * price <= 1e-12 * self.nav:
            units = 0.0
        self.asked[symbol] = units
        money = abs(units) * price
        small = target != 0 and money < max(r.min_trade_nav * self.nav, r.min_trade_usd)
        if units != 0 and (small or money < self.assets[symbol].min_notional):
            return
        self.acted[symbol] = target
        if units != 0:
            self.orders[symbol] = Order(symbol, units, now)


def clamped(account, wanted, held, *, killed=False):
    """Targets after kill, halt, de-risk and the caps, and the symbols that some rule cut."""
    target = stages(account, wanted, held, killed=killed)[-1]
    cut = {s for s, w in wanted.items() if abs(target[s]) < abs(w) * (1 - 1e-15)}
    return target, cut


def stages(account, wanted, held, *, killed=False):
    """The weights as asked, then as each rule leaves them, in the order of the rules."""
    r, assets = account.rules, account.assets
    found = [dict(wanted)]
    target = dict(wanted)
    if killed:
        for s, w in wanted.items():
            target[s] = math.copysign(min(abs(w), abs(held[s])), w) if w * held[s] > 0 else 0.0
    found.append(target)
    halted = account.halted_for is not None
    target = dict.fromkeys(target, 0.0) if halted else target
    found.append(target)
    if account.derisked and not halted:
        target = {s: w * r.derisking_factor for s, w in target.items()}
    found.append(target)
    target = {s: max(-r.per_asset_cap, min(r.per_asset_cap, w)) for s, w in target.items()}
    found.append(target)
    for name, cap in r.class_caps.items():
        inside = [s for s in assets if assets[s].asset_class == name]
        exposure = sum(abs(target[s]) for s in inside)
        if exposure > cap:
            target = target | {s: target[s] * cap / exposure for s in inside}
    found.append(target)
    gross = sum(map(abs, target.values()))
    if gross > r.max_leverage:
        target = {s: w * r.max_leverage / gross for s, w in target.items()}
    return [*found, target]


def strained(account, held, target, cut):
    """Symbols held beyond what a limit allows."""
    r, assets = account.rules, account.assets
    slack = 1 + 1e-12
    tight = {s for s in cut if held[s] * target[s] < 0 or abs(held[s]) > abs(target[s]) * slack}
    tight |= {s for s in assets if abs(held[s]) > r.per_asset_cap * slack}
    for name, cap in r.class_caps.items():
        inside = [s for s in assets if assets[s].asset_class == name and held[s] != 0]
        if sum(abs(held[s]) for s in inside) > cap * slack:
            tight |= set(inside)
    if sum(map(abs, held.values())) > r.max_leverage * slack:
        tight |= {s for s in assets if held[s] != 0}
    return tight


def run(panel, weights, rules, assets, initial_nav, start=0):
    """Return the account after the whole panel."""
    account = Account(rules, {asset.symbol: asset for asset in assets}, initial_nav, bars_of(panel))
    for row in range(start, panel.n_bars):
        now = int(panel.ts[row].astype("int64")) + CELL
        pay(account, panel, row)
        account.open_markets(now - CELL, now, row - start)
        account.decide(row, now, dict(zip(panel.symbols, map(float, weights[row]), strict=True)))
    return account


def pay(account, panel, row):
    """Hand an account what the panel pays when a cell begins."""
    flows = panel.flows
    if flows is None:
        return
    dividends, splits = (
        dict(zip(panel.symbols, table[row].tolist(), strict=True)) for table in (flows.dividend, flows.split)
    )
    account.pay(row, dividends, splits, float(flows.credit[row]), float(flows.debit[row]))


def bars_of(panel):
    """The bars of a panel by symbol."""
    bars = {symbol: [] for symbol in panel.symbols}
    times = {name: getattr(panel, name).astype("int64") for name in ("open_at", "known_at")}
    for row in range(panel.n_bars):
        for column, symbol in enumerate(panel.symbols):
            if not math.isnan(panel.close[row, column]):
                bars[symbol].append(
                    Bar(
                        symbol,
                        row,
                        int(times["open_at"][row, column]),
                        int(times["known_at"][row, column]),
                        float(panel.open[row, column]),
                        float(panel.close[row, column]),
                        float(panel.volume[row, column]),
                    )
                )
    return bars
