"""How fast a valuation model predicts, walks a thousand days and fits six thousand, measured warm.

The history is simulated, so the numbers need no data folder.  The slowest counts: for a prediction with its
intervals of all models, the configured ensemble among them, for walks and fits of the closed-form ones.
Run: python -m benchmarks.valuation_speed
"""

import json
from collections.abc import Callable
from datetime import date, timedelta
from time import perf_counter

import numpy as np

from pipeline.config.load import load_settings
from pipeline.valuation.configured import configured_ensemble
from pipeline.valuation.history import DAY, ChainHistory
from pipeline.valuation.model import PriceModel
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.residuals import WALK_FORWARD
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import calibrate, walk_forward
from resources.home import ROOT

DAYS = 6000
MODELS: tuple[PriceModel, ...] = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
REPEATS = 15
GENESIS = np.datetime64("2009-01-03")


def simulated(days: int) -> ChainHistory:
    """Return a chain of 144 blocks a day whose price is a geometric random walk."""
    rng = np.random.default_rng(8)
    first = np.datetime64("2010-07-18")
    day = np.arange(first, first + days * DAY)
    price = np.exp(np.cumsum(rng.normal(0.002, 0.04, days)))
    height = 144.0 * (day - GENESIS).astype(float)
    issuance = 144.0 * 50.0 * 0.5 ** np.floor(height / 210_000)
    supply = 50.0 * height[0] + np.cumsum(issuance)
    flow = np.full(days, np.nan)
    total = np.cumsum(issuance)
    flow[365:] = total[365:] - total[:-365]
    columns = {
        "price_usd": price,
        "height": height,
        "issuance_btc": issuance,
        "supply_btc": supply,
        "s2f": supply / flow,
        "thermocap_usd": np.cumsum(issuance * price),
        "realized_cap_usd": 0.6 * supply * price,
    }
    return ChainHistory(day, (day + DAY).astype("datetime64[us]"), columns)


def median_ms(work: Callable[[], object]) -> float:
    """Return the median time of a call after one that does not count, milliseconds."""
    work()
    seconds = []
    for _ in range(REPEATS):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return 1000.0 * float(np.median(seconds))


def main() -> None:
    """Print the numbers of each model, then the worst of each kind as JSON."""
    history = simulated(DAYS)
    start = history.date[-1].item() - timedelta(days=999)
    ahead: date = history.date[-1].item() + timedelta(days=30)
    worst = {"predict_ms": 0.0, "walk_forward_1000_ms": 0.0, "fit_6000_ms": 0.0}
    for model in MODELS:
        fitted = calibrate(model, history)
        walk = walk_forward(model, history, start=start, end=history.date[-1].item() + timedelta(days=1))
        if walk.origins.size != 1000 or walk.failures:
            raise SystemExit(f"{model.name} walked {walk.origins.size} days, {len(walk.failures)} failed")
        found = {
            "predict_ms": median_ms(lambda fitted=fitted: fitted.predict(ahead, current_price=1.0)),
            "walk_forward_1000_ms": median_ms(
                lambda model=model: walk_forward(
                    model, history, start=start, end=history.date[-1].item() + timedelta(days=1)
                )
            ),
            "fit_6000_ms": median_ms(lambda model=model: model.fit(history)),
        }
        print(model.name, {name: round(value, 3) for name, value in found.items()})
        worst = {name: max(worst[name], value) for name, value in found.items()}
    mixed = calibrate(configured_ensemble(load_settings(root=ROOT, environ={}).settings.valuation), history)
    if mixed.predict(ahead).metadata["interval"] != WALK_FORWARD:
        raise SystemExit("the ensemble has no interval from walk-forward errors")
    spent = median_ms(lambda: mixed.predict(ahead, current_price=1.0))
    print(mixed.name, {"predict_ms": round(spent, 3)})
    worst["predict_ms"] = max(worst["predict_ms"], spent)
    print(json.dumps(worst))


if __name__ == "__main__":
    main()
