"""The risk rules on target weights, in their fixed order, and the drawdown states that drive two of them.

Each rule is a factor in [0, 1] per asset on the weight that the previous rule left, so a strategy's share of
a position is its own weight times the product of the factors.  Records are those of
`pipeline.portfolio.account`; whether to trade is `pipeline.portfolio.sizing`.
"""

from pipeline.jit import inlined
from pipeline.portfolio.account import Record, Records

KILL, HALT, DERISK, ASSET_CAP, CLASS_CAP, LEVERAGE = 1, 2, 4, 8, 16, 32
"""Bits of ``book.mask``."""

_SLACK = 1.0 + 1e-12


@inlined
def clamp(book: Record, lines: Records, quotes: Records, rules: Record, terms: Records) -> None:
    """Apply kill, halt, de-risk, asset cap, class cap and leverage to the target weights.

    Reads ``quotes.weight``, ``lines.held`` and the book's states; writes ``lines.weight``, ``lines.target``,
    each rule's factor (1 where it does not bind or the weight is 0) and ``book.mask``.  De-risking is not
    applied beside a halt.  Equal weights under equal states keep what was written.
    """
    states = book.halted + 2 * book.derisked
    same = book.clamped_under == states and not book.killed
    for a in range(lines.size):
        same = same and lines[a].weight == quotes[a].weight
    if same:
        return
    book.clamped_under = -1 if book.killed else states
    book.mask = 0
    _clamp_each(book, lines, quotes, rules)
    for a in range(lines.size):
        lines[a].exposure = 0.0
    gross = 0.0
    for a in range(lines.size):
        lines[terms[a].leader].exposure += abs(lines[a].target)
    for a in range(lines.size):
        exposure = lines[terms[a].leader].exposure
        if exposure > terms[a].class_cap and lines[a].target != 0.0:
            lines[a].class_cap = terms[a].class_cap / exposure
            lines[a].target *= lines[a].class_cap
            book.mask |= CLASS_CAP
        gross += abs(lines[a].target)
    if gross > rules.max_gross:
        book.mask |= LEVERAGE
        for a in range(lines.size):
            if lines[a].target != 0.0:
                lines[a].leverage = rules.max_gross / gross
                lines[a].target *= lines[a].leverage


@inlined
def _clamp_each(book: Record, lines: Records, quotes: Records, rules: Record) -> None:
    for a in range(lines.size):
        line = lines[a]
        line.kill = line.halt = line.derisk = line.asset_cap = line.class_cap = line.leverage = 1.0
        weight = line.weight = quotes[a].weight
        if weight != 0.0 and book.killed:
            same_side = weight * line.held > 0.0
            line.kill = min(abs(weight), abs(line.held)) / abs(weight) if same_side else 0.0
            weight *= line.kill
            book.mask |= KILL if line.kill < 1.0 else 0
        if weight != 0.0 and book.halted:
            line.halt = weight = 0.0
            book.mask |= HALT
        elif weight != 0.0 and book.derisked:
            line.derisk = rules.derisk
            weight *= rules.derisk
            book.mask |= DERISK if rules.derisk < 1.0 else 0
        if abs(weight) > rules.asset_cap:
            line.asset_cap = rules.asset_cap / abs(weight)
            weight *= line.asset_cap
            book.mask |= ASSET_CAP
        line.target = weight


@inlined
def mark_strained(book: Record, lines: Records, rules: Record, terms: Records) -> None:
    """Mark the lines held beyond what a limit allows; there the rebalancing band gives way.

    Two ways: some rule cuts the line's target and more than the rest is held, or what is held breaks a cap by
    itself.  Reads ``held``, ``target`` and the factors; writes ``lines.strained`` and ``book.any_strained``.
    """
    book.any_strained = 0
    if book.mask == 0 and book.gross <= rules.least_cap:
        return
    for a in range(lines.size):
        lines[a].exposure = 0.0
    for a in range(lines.size):
        lines[terms[a].leader].exposure += abs(lines[a].held)
    for a in range(lines.size):
        line = lines[a]
        held = abs(line.held)
        cut = line.kill * line.halt * line.derisk * line.asset_cap * line.class_cap * line.leverage < 1.0
        beyond = line.held * line.target < 0.0 or held > abs(line.target) * _SLACK
        above = (
            held > rules.asset_cap * _SLACK
            or lines[terms[a].leader].exposure > terms[a].class_cap * _SLACK
            or book.gross > rules.max_gross * _SLACK
        )
        line.strained = 1 if (cut and beyond) or (above and held > 0.0) else 0
        book.any_strained |= line.strained


@inlined
def move_drawdown(book: Record, rules: Record) -> None:
    """Move peak, de-risking and halt by the NAV per unit of this bar's close.

    De-risking runs from ``drawdown >= trigger`` until ``drawdown <= release``; the halt starts at
    ``drawdown >= halt`` and stays, or ends after ``resume_after`` bars with the peak at the current NAV.
    """
    per_unit = book.nav / book.units
    if book.halted:
        book.halt_age += 1
        if 0 < rules.resume_after <= book.halt_age:
            book.halted = book.derisked = 0
            book.peak = per_unit
    book.peak = max(book.peak, per_unit)
    drawdown = (book.peak - per_unit) / book.peak
    if drawdown >= rules.trigger:
        book.derisked = 1
    elif drawdown <= rules.release:
        book.derisked = 0
    if drawdown >= rules.halt and not book.halted:
        book.halted, book.halt_age = 1, 0
        book.halts += 1
