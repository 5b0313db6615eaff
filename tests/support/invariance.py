"""The two checks of causality under the names that tests use."""

from pipeline.lookahead.invariance import noise_violations, prefix_violations

__all__ = ["noise_violations", "prefix_violations"]
