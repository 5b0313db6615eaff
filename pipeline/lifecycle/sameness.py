"""Whether a stored run is a run of what is configured now: same strategy, same account, same code.

Windows, money at the start and other strategies may differ; anything else that can change a result may not.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.config.layers import leaves
from pipeline.config.load import hashed

_FREE = ("start", "end", "strategy", "initial_nav")
_FREE_OF_STRATEGY = ("budget",)


def differences(stored: Mapping[str, Any], now: Mapping[str, Any], name: str) -> list[str]:
    """Return what differs between two configurations for one strategy, as ``key: stored, now ...``.

    Parameters
    ----------
    stored, now
        All settings as plain values (`pipeline.config.load.Loaded.as_dict`), then and now.
    name
        The strategy; its parameters should have their defaults filled in on both sides.
    """
    before, after = (dict(leaves(_of_strategy(values, name))) for values in (stored, now))
    return [
        f"{'.'.join(path)}: {before.get(path, 'absent')}, now {after.get(path, 'absent')}"
        for path in dict.fromkeys([*after, *before])
        if path not in before or path not in after or before[path] != after[path]
    ]


def _of_strategy(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    kept = dict(hashed(values))
    system = dict(kept.get("system", {}))
    run = {key: item for key, item in system.get("backtest", {}).items() if key not in _FREE}
    described = kept.get("strategies", {}).get(name)
    if described is not None:
        described = {key: item for key, item in described.items() if key not in _FREE_OF_STRATEGY}
    return {**kept, "system": {**system, "backtest": run}, "strategies": {name: described}}
