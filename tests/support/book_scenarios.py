"""Random books in which every rule has something to do, and what must hold of each of them.

`examine` runs one through the product and through the slow reference, and says how far they are apart.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.backtest.book import simulate_book
from pipeline.backtest.members import Attribution, attribution_of
from pipeline.portfolio.account import RULE_NAMES
from tests.support import reference_book
from tests.support.random_books import (
    in_shares_of_the_day,
    no_flows,
    random_assets,
    random_panel,
    random_payments,
    random_rules,
    random_splits,
    random_weights,
)

NAV = 10_000.0
LIMITS = {
    "cap": 1e-12, "share": 1e-12, "delta": 1e-12, "unbound": 0.0, "term": 1e-12, "target": 1e-12,
    "cash": 1e-9, "nav": 1e-9, "paid": 1e-9, "profit": 1e-9, "fill": 0.0, "drawdown": 0.0,
}  # fmt: skip
"""How far each check may be off: weights in fractions of NAV, money by the NAV at the start, counts."""


PAID = ("dividend", "split", "split_order", "credit", "debit", "class_cap")
"""What may be paid in a book: dividends on what is held, splits of it and of an open order, interest on cash
held and owed; and a class cap that binds at a decision after which something was paid or split."""


@dataclass
class Examined:
    """Of one scenario: the worst error of each kind, which rules bound, what was paid, how much there was."""

    errors: dict = field(default_factory=dict)
    bound: tuple = ()
    paid: tuple = ()
    entries: int = 0
    decisions: int = 0
    fills: int = 0

    @property
    def violations(self):
        return {kind: error for kind, error in self.errors.items() if not error <= LIMITS[kind]}


def scenario(seed, bars=120):
    """Panel, budget times weight of every member, kill switch, rules and assets of one book."""
    rng = np.random.default_rng(seed)
    panel = random_panel(rng, bars=bars, assets=int(rng.integers(1, 5)))
    count = int(rng.integers(1, 5))
    tables = [random_weights(rng, panel) * rng.choice([0.6, 1.0, 1.6]) for _ in range(count)]
    base = rng.dirichlet(np.ones(count)) * rng.choice([0.7, 1.0])
    factors = np.repeat(rng.choice([0.0, 0.5, 1.0, 1.3], (bars // 20 + 1, count)), 20, axis=0)[:bars]
    budgets = base * factors
    budgets /= np.maximum(budgets.sum(axis=1, keepdims=True), 1.0)
    if count > 1 and rng.random() < 0.3:  # one of them sells what the others hold, or part of it
        others = sum(budgets[:, [m]] * tables[m] for m in range(count - 1))
        own = np.maximum(budgets[:, [-1]], 1e-3)
        budgets[:, -1:] = own
        budgets /= np.maximum(budgets.sum(axis=1, keepdims=True), 1.0)
        others = sum(budgets[:, [m]] * tables[m] for m in range(count - 1))
        tables[-1] = -rng.choice([0.3, 0.9, 1.0]) * others / budgets[:, [-1]]
    killed = np.zeros(bars, np.bool_)
    if rng.random() < 0.5:
        begin = int(rng.integers(0, bars - 10))
        killed[begin : begin + int(rng.integers(1, 40))] = True
    rules = random_rules(rng)
    if rng.random() < 0.5:  # falls are shallow where several strategies share an account
        trigger = float(rng.uniform(0.005, 0.04))
        halt = trigger * float(rng.uniform(1.2, 3.0))
        rules = replace(rules, drawdown_trigger=trigger, drawdown_release=0.8 * trigger, drawdown_halt=halt)
    if rng.random() < 0.3:  # room to borrow, so that cash is owed
        rules = replace(rules, per_asset_cap=np.inf, class_caps={}, max_leverage=1.6, max_borrowing=None)
        tables = [1.6 * table for table in tables]
    contributions = np.stack([budgets[:, [m]] * table for m, table in enumerate(tables)], axis=1)
    assets = random_assets(rng, panel)
    return with_payments(rng, panel), contributions, killed, rules, assets


def with_payments(rng, panel):
    """The panel with dividends and interest, with splits, with both or with neither."""
    if rng.random() < 0.7:
        panel = replace(panel, flows=random_payments(rng, panel))
    if rng.random() < 0.6:
        panel = in_shares_of_the_day(panel, random_splits(rng, panel))
    return panel


def examine(seed, bars=120):
    """Run one scenario both ways."""
    panel, contributions, killed, rules, assets = scenario(seed, bars)
    run, ledger = simulate_book(
        panel, contributions, rules=rules, assets=assets, initial_nav=NAV, killed=killed
    )
    attribution = attribution_of(ledger, [f"S{m}" for m in range(contributions.shape[1])])
    slow = reference_book.run(panel, contributions, rules, assets, NAV, killed)
    found = Examined()
    found.bound = tuple(bool((run.mask & 1 << k).any()) for k in range(len(RULE_NAMES)))
    found.paid = payments_seen(panel, run, slow)
    found.entries, found.decisions, found.fills = attribution.row.size, run.ts.size, run.fills.size
    found.errors = {
        "cap": above_caps(run, rules, assets),
        **attributed(attribution, run, slow),
        "unbound": unbound(attribution, run),
        "cash": float(np.abs(run.cash - slow.cashes).max() / NAV),
        "nav": max(float(np.abs(run.nav - slow.navs).max() / NAV), identities(panel, run, slow)),
        "paid": payments_differ(run, slow),
        "profit": profits(ledger, run, slow),
        "fill": float(fills_outside(panel, run)),
        "drawdown": float(drawdown_differs(run, rules, contributions, killed)),
    }
    return found


def above_caps(run, rules, assets):
    """By how much a target exceeds a cap at most."""
    size = np.abs(run.target)
    above = [size.max() - rules.per_asset_cap, size.sum(axis=1).max() - rules.max_leverage]
    for name, cap in rules.class_caps.items():
        inside = [column for column, asset in enumerate(assets) if asset.asset_class == name]
        above.append(size[:, inside].sum(axis=1).max() - cap)
    return float(max(0.0, *above))


def at_every_decision(found: Attribution, run):
    """The entries written out for every decision: an entry holds until the next, but for drift."""
    bars, assets = run.target.shape
    place = np.full((bars, assets), -1)
    place[found.row, found.asset] = np.arange(found.row.size)
    fresh = place >= 0
    np.maximum.accumulate(place, axis=0, out=place)
    terms = found.term[place] * fresh[:, :, None]
    return place, fresh, terms


def attributed(found, run, slow):
    """How far shares, deltas and terms are from the reference at every decision, recorded there or not."""
    symbols, members = run.symbols, slow.members
    place, fresh, terms = at_every_decision(found, run)
    shares = np.array([[[d.shares[s][m] for m in members] for s in symbols] for d in slow.decisions])
    deltas = np.array([[d.deltas[s] for s in symbols] for d in slow.decisions])
    names = ("band", "lot", "volume", "reject")
    apart = np.array([[[d.terms[s][n] for n in names] for s in symbols] for d in slow.decisions])
    drifted = ~fresh
    apart[drifted, 0] -= apart[drifted].sum(axis=1)  # the band is all there is between two entries
    whole = np.array([[t[s] for s in symbols] for t in slow.targets])
    weight = found.weight[place].sum(axis=2)
    sums = np.abs(found.share[place].sum(axis=2) - run.target).max()
    led = np.abs(weight + found.delta[place].sum(axis=2) - run.target).max()
    return {
        "share": float(max(np.abs(found.share[place] - shares).max(), sums)),
        "delta": float(max(np.abs(found.delta[place] - deltas).max(), led)),
        "term": float(np.abs(terms - apart).max()),
        "target": float(np.abs(run.target - whole).max()),
    }


def unbound(found, run):
    """The largest delta of a rule that does not bind at its decision."""
    idle = np.array([(run.mask[found.row] & 1 << k) == 0 for k in range(len(RULE_NAMES))]).T
    return float(np.abs(np.where(idle, found.delta, 0.0)).max(initial=0.0))


def paid_into(panel, run):
    """Dividends and interest by decision, and units after splits, from what was held before each."""
    flows = panel.flows or no_flows(panel)
    held = np.vstack([np.zeros(run.quantity.shape[1]), run.quantity[:-1]])
    at_hand = np.concatenate([[NAV], run.cash[:-1]])
    dividends = (held * flows.dividend).sum(axis=1)
    at_hand = at_hand + dividends
    interest = at_hand * np.where(at_hand > 0.0, flows.credit, flows.debit)
    return dividends, interest, held * flows.split


def identities(panel, run, slow):
    """How far NAV is from cash and holdings, and both from fills and payments, by the NAV at the start."""
    fills = run.fills
    spent = np.bincount(fills.row, fills.quantity * fills.price + fills.fee, minlength=run.ts.size)
    dividends, interest, units = paid_into(panel, run)
    cash = np.abs(run.cash - (NAV + np.cumsum(dividends + interest - spent))).max()
    np.add.at(units, (fills.row, fills.asset), fills.quantity)
    last = np.array([slow.prices[s] or 0.0 for s in run.symbols])
    moved = (np.abs(run.quantity - units) * np.nan_to_num(panel.close)).max()
    return float(max(cash, moved, abs(run.nav[-1] - run.cash[-1] - (run.quantity[-1] * last).sum())) / NAV)


def payments_differ(run, slow):
    """How far dividends and interest are from the reference, by the NAV at the start."""
    return float(max(abs(run.dividends - slow.dividends), abs(run.interest - slow.interest)) / NAV)


def payments_seen(panel, run, slow):
    """Which of `PAID` there were."""
    flows = panel.flows or no_flows(panel)
    held = np.vstack([np.zeros(run.quantity.shape[1]), run.quantity[:-1]])
    due = ((flows.dividend > 0.0) | (flows.split != 1.0)) & (held != 0.0)
    capped = (run.mask & 1 << RULE_NAMES.index("class_cap")) != 0
    _, interest, _ = paid_into(panel, run)
    return (
        bool((due & (flows.dividend > 0.0)).any()),
        bool((due & (flows.split != 1.0)).any()),
        slow.split_orders > 0,
        bool((interest > 0.0).any()),
        bool((interest < 0.0).any()),
        bool((capped & due.any(axis=1)).any()),
    )


def profits(ledger, run, slow):
    """How far each member's profit is from the reference; all of them from the account's less interest."""
    ours = ledger.pnl.sum(axis=0)
    theirs = np.array([sum(d.earned[m] for d in slow.decisions) for m in slow.members])
    whole = abs(ours.sum() - (run.final_nav - NAV - run.interest))
    traded = np.abs(ledger.traded - [slow.traded[m] for m in slow.members]).max()
    trades = np.abs(ledger.trades - [slow.trades[m] for m in slow.members]).max()
    return float(max(np.abs(ours - theirs).max() / NAV, whole / NAV, traded / NAV, trades))


def fills_outside(panel, run):
    """How many fills are not the open of a bar that traded in their cell."""
    fills = run.fills
    at = fills.bar, fills.asset
    fine = (fills.price_open == panel.open[at]) & (panel.volume[at] != 0.0)
    fine &= (panel.low[at] <= fills.price_open) & (fills.price_open <= panel.high[at])
    start = panel.ts[fills.row]
    fine &= (run.filled_at >= start) & (run.filled_at < start + np.timedelta64(4, "h"))
    return int(np.count_nonzero(~fine))


def drawdown_differs(run, rules, contributions, killed):
    """How many decisions show another state than the drawdown rules give for the NAV as it was."""
    peak, halted, derisked, age, wrong, halts = NAV, False, False, 0, 0, 0
    wanted = contributions.sum(axis=1)
    for k, nav in enumerate(run.nav):
        if halted:
            age += 1
            if rules.resume_after_bars is not None and age >= rules.resume_after_bars:
                halted, derisked, peak = False, False, nav
        peak = max(peak, nav)
        fall = (peak - nav) / peak
        derisked = fall >= rules.drawdown_trigger or (derisked and fall > rules.drawdown_release)
        if fall >= rules.drawdown_halt and not halted:
            halted, age, halts = True, 0, halts + 1
        wrong += halted and bool(run.target[k].any())
        if not killed[k] and (wanted[k] > 1e-12).any():
            wrong += bool(run.mask[k] & 2) != halted
            wrong += bool(run.mask[k] & 4) != (derisked and not halted and rules.derisking_factor < 1.0)
    return wrong + (halts != run.counters["halts"])
