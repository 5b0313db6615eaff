"""The market as the step kernel needs it: last known closes, the bar an order fills in, the volume cap.

Everything is found by what was known at the decision; nothing here knows an account.
"""

import math

from pipeline.arrays import Float1D, Float2D, Int1D, Int2D
from pipeline.jit import kernel

CELL_US = 4 * 3_600_000_000
DAY_ROWS = 6
NO_BAR_ROW, NO_TRADE_ROW = -1, -2
"""What `fill_bar` returns for a cell without a bar to fill in, and for one whose bar did not trade."""


@kernel
def last_closes(
    ts: Int1D, known_at: Int2D, open_: Float2D, high: Float2D, low: Float2D, close: Float2D, mark: Float2D
) -> int:
    """Find for each decision the last known close, and check every open.

    Parameters
    ----------
    ts, known_at
        Microseconds since 1970, ``ts`` the labels of the cells; entries of absent bars (NaN close) are not
        read.
    mark
        Written: close of the latest bar with ``known_at <=`` the decision, NaN before there is one.

    Returns
    -------
    int
        Flat index of the first bar whose open lies outside its range, or -1.
    """
    bars, assets = close.shape
    bad = -1
    for a in range(assets):
        latest, late, last = -1, False, math.nan
        for i in range(bars):
            decision = ts[i] + CELL_US
            if not math.isnan(close[i, a]):
                if bad < 0 and not (low[i, a] <= open_[i, a] <= high[i, a]):
                    bad = i * assets + a
                late = known_at[i, a] > decision
                if not late:
                    latest, last = i, close[i, a]
            if late:
                for j in range(i, latest, -1):
                    if not math.isnan(close[j, a]) and known_at[j, a] <= decision:
                        latest, last = j, close[j, a]
                        break
            mark[i, a] = last
    return bad


@kernel
def fill_bar(ts: Int1D, open_at: Int2D, close: Float2D, volume: Float2D, i: int, a: int) -> int:
    """Return the row of the bar in which an order of the decision before cell ``i`` fills.

    It fills at the first open from that decision on and before the next one; the bar of that open may close
    in the following cell.

    Returns
    -------
    int
        Row of the bar, NO_BAR_ROW, or NO_TRADE_ROW for a bar of volume 0.
    """
    for row in range(i, min(i + 2, ts.size)):
        if not math.isnan(close[row, a]) and ts[i] <= open_at[row, a] < ts[i] + CELL_US:
            return row if volume[row, a] != 0.0 else NO_TRADE_ROW
    return NO_BAR_ROW


@kernel
def volume_limit(
    volume: Float2D,
    open_at: Int2D,
    known_at: Int2D,
    ts: Int1D,
    split: Float2D,
    cell: int,
    row: int,
    asset: int,
    share: float,
    recent: Float1D,
) -> float:
    """Return a share of the median volume of the last bars of the same cell known at a decision.

    Parameters
    ----------
    split
        Units that one unit becomes when a cell begins, shape ``(bars, assets)``, empty where nothing is paid:
        volumes from before a split count in the units of the fill, as the order does.
    cell, row
        The cell that begins with the decision, and the bar of the fill: its own volume is never read, nor any
        known after the decision.
    recent
        Working memory; its size is the number of bars in the median.

    Returns
    -------
    float
        A quantity; ``inf`` where fewer bars are known, so there is no cap.
    """
    if share == math.inf:
        return math.inf
    count, units, since = 0, 1.0, cell
    i = row - DAY_ROWS
    while i >= 0 and count < recent.size:
        if not math.isnan(volume[i, asset]) and known_at[i, asset] <= ts[cell]:
            known = volume[i, asset]
            if split.size > 0:
                opened = i - 1 if open_at[i, asset] < ts[i] else i
                while since > opened:
                    units *= split[since, asset]
                    since -= 1
                known *= units
            place = count
            while place > 0 and recent[place - 1] > known:
                recent[place] = recent[place - 1]
                place -= 1
            recent[place] = known
            count += 1
        i -= DAY_ROWS
    if count < recent.size:
        return math.inf
    return share * 0.5 * (recent[(count - 1) // 2] + recent[count // 2])
