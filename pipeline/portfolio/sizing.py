"""When a target weight is worth an order, and how many units that order has.

Prices and NAV are those of the decision only; what the market then gives is the business of fills.
"""

import math

import numpy as np

from pipeline.jit import inlined

_LOT_SLACK = 1e-9


@inlined
def crosses_band(target: float, held: float, acted: float, band_nav: float, band_target: float) -> bool:
    """Return whether a target calls for an order.

    It does when it changed (by more than the band, in sign, to or from zero) since the target last acted on,
    or when the held weight has drifted from it by more than the band.

    Parameters
    ----------
    target, held, acted
        Weights: the target, what is held, the target last acted on.
    band_nav, band_target
        The band is ``max(band_nav, band_target * |target|)``.
    """
    band = max(band_nav, band_target * abs(target))
    if (target > 0.0) != (acted > 0.0) or (target < 0.0) != (acted < 0.0):
        return True
    return abs(target - acted) > band or abs(held - target) > band


@inlined
def whole_lots(quantity: float, lot: float) -> float:
    """Round towards zero to a multiple of ``lot``; any fraction passes where ``lot`` is 0."""
    if lot <= 0.0 or not math.isfinite(quantity):
        return quantity
    lots = math.floor(abs(quantity) / lot + _LOT_SLACK)
    return math.copysign(lots * lot, quantity) if lots > 0 else 0.0


@inlined
def tidied(quantity: float, lot: float) -> float:
    """Return a quantity without the rounding of sums of lots; a part of a lot (after a split) stays one."""
    lots = np.rint(quantity / lot)
    slack = _LOT_SLACK * max(1.0, abs(lots))
    return lots * lot if abs(quantity / lot - lots) <= slack else quantity


@inlined
def order_quantity(target: float, nav: float, price: float, held: float, lot: float) -> float:
    """Return the signed quantity that leads from ``held`` units to the target weight.

    ``target * nav / price - held`` in whole lots; a target of 0 gives back everything, odd lots too.
    """
    if target == 0.0:
        return -held
    return whole_lots(target * nav / price - held, lot)
