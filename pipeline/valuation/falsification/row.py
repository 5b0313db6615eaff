"""One line of the board, with all that is behind it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.valuation.falsification.arrays_of_world import BASES
from pipeline.valuation.falsification.forecast_tests import DieboldMariano
from pipeline.valuation.falsification.stationarity import EngleGranger
from pipeline.valuation.falsification.verdict import Verdict
from pipeline.valuation.metrics import Coverage


@dataclass(frozen=True)
class BoardRow:
    """One model at one horizon; None where unknown, everything else as fractions or ln units.

    Attributes
    ----------
    n
        Forecasts that were scored: the same days for all models.
    skill, skill_drift
        ``1 - MSE / MSE_base`` of ln errors against the last price, and against it moved by the mean daily
        return until then.
    p, p_by_drift
        Share of random walks with at least this skill against the last price, and by multiple of drift.
    power
        Chance that p would be small enough if the newest fit and its residual were true.
    needed_skill
        Skill from which p is small enough.
    detectable_half_life
        Longest half-life in days of a residual of the fitted spread that is seen with a chance of 80 %.
    diebold_mariano, diebold_mariano_drift
        Diagnostics against both bases; below 0 the model is better.
    unit_root, unit_root_critical
        Dickey-Fuller statistic of the newest fit's residuals, and its 5 % value on the walks that drift as
        the sample does.
    engle_granger
        For stochastic regressors only.
    verdict, reason
        At the verdict's horizon; elsewhere, or where the model could not be judged, the reason alone.
    """

    model: str
    horizon: int
    n: int = 0
    mape: float | None = None
    rmse_log: float | None = None
    skill: float | None = None
    skill_drift: float | None = None
    p: float | None = None
    p_by_drift: Mapping[str, float] | None = None
    power: float | None = None
    needed_skill: float | None = None
    detectable_half_life: float | None = None
    half_life: float | None = None
    residual_sd: float | None = None
    coverage_68: Coverage | None = None
    coverage_95: Coverage | None = None
    diebold_mariano: DieboldMariano | None = None
    diebold_mariano_drift: DieboldMariano | None = None
    unit_root: float | None = None
    unit_root_critical: float | None = None
    engle_granger: EngleGranger | None = None
    verdict: Verdict | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record of ``bells models board --json``: coverage with its bounds beside it."""
        found = asdict(self)
        for name in ("coverage_68", "coverage_95"):
            part = found.pop(name)
            found[name] = part and part["value"]
            found[f"{name}_low"], found[f"{name}_high"] = part and part["low"], part and part["high"]
        found["verdict"] = None if self.verdict is None else str(self.verdict)
        found["bases"] = list(BASES)
        return found
