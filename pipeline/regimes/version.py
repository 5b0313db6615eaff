"""The name of a set of rules: stored labels carry it, so that other rules never pass for corrections."""

import json
from hashlib import sha256

from pipeline.config.regimes import RegimeSettings

VERSION = "1.0.0"
"""Of the classifiers' code: any change of a label by equal rules raises it."""


def rules_version(rules: RegimeSettings) -> str:
    """Return twelve hex digits of the rules and the code; multipliers change no label and do not count."""
    told = json.dumps(rules.model_dump(mode="json", exclude={"multipliers"}))
    return sha256(f"{VERSION}\n{told}".encode()).hexdigest()[:12]
