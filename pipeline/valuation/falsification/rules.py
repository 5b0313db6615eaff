"""How the board judges: what ``valuation.yaml`` sets under ``falsification``, and what a power costs."""

from dataclasses import dataclass

from pipeline.errors import ConfigError

HALF_LIVES = (20.0, 45.0, 90.0, 180.0, 365.0)
"""Days, at which the power curve is published."""
_FEWEST = 100


@dataclass(frozen=True)
class BoardRules:
    """Rules of the board.

    Parameters
    ----------
    simulations
        Random walks of each drift.
    horizons, verdict_horizon
        Days ahead that are judged, and the one that decides.
    mean_block_days
        Mean block of the bootstrap of daily returns.
    drifts
        Of the walks, times the sample's mean; the worst p counts.
    level
        Largest p of a finding.
    seed
        Of all random numbers.
    planted, planted_walks
        Paths by which a power is measured, and random walks of each drift made of them together.
    half_lives
        Days, of the power curve.

    Raises
    ------
    ConfigError
        When there are too few walks, or the verdict's horizon is not judged.
    """

    simulations: int = 999
    horizons: tuple[int, ...] = (30, 90, 365)
    verdict_horizon: int = 90
    mean_block_days: float = 20.0
    drifts: tuple[float, ...] = (0.0, 1.0, 2.0)
    level: float = 0.025
    seed: int = 8
    planted: int = 200
    planted_walks: int = 333
    half_lives: tuple[float, ...] = HALF_LIVES

    def __post_init__(self) -> None:
        if min(self.simulations, self.planted, self.planted_walks) < _FEWEST:
            raise ConfigError(
                "there are too few worlds to judge by",
                field="falsification.simulations",
                value=(self.simulations, self.planted, self.planted_walks),
                constraint=f">= {_FEWEST}",
                fix="write 999",
            )
        if self.verdict_horizon not in self.horizons:
            raise ConfigError(
                "the verdict's horizon is not judged",
                field="falsification.verdict_horizon",
                value=self.verdict_horizon,
                constraint=f"one of {self.horizons}",
                fix="choose one of the horizons",
            )
