"""Settings out of environment variables that begin with ``EIGHTBELLS_``.

Short names for what people set often, and ``EIGHTBELLS_SYSTEM__RISK__PER_ASSET_CAP`` for any field.
A variable that means nothing is an error, an empty one counts as unset.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipeline.config.document import KeyPath, parse_scalar
from pipeline.config.problems import did_you_mean
from pipeline.errors import ConfigError

PREFIX = "EIGHTBELLS_"
SHORT: dict[str, KeyPath] = {
    "EIGHTBELLS_SOURCE": ("system", "source"),
    "EIGHTBELLS_DATA": ("system", "data_dir"),
}
"""Variables with a name of their own."""
HOME = "EIGHTBELLS_HOME"
"""Where all state lives; read by `resources.home`, not a setting."""

_TEXTS = {("system", "source"), ("system", "data_dir")}


def from_environ(environ: Mapping[str, str], tree: Mapping[str, Any]) -> list[tuple[KeyPath, Any, str]]:
    """Return (path, value, source) of every setting in the environment.

    Parameters
    ----------
    environ
        Variables by name.
    tree
        Every known key, nested; names are compared in capitals with anything but letters and digits as ``_``.

    Raises
    ------
    ConfigError
        If a variable with our prefix names no setting, or two set one field differently.
    """
    found: dict[KeyPath, tuple[Any, str]] = {}
    for variable in sorted(environ):
        text = environ[variable]
        if not variable.startswith(PREFIX) or variable == HOME or not text.strip():
            continue
        path = SHORT.get(variable) or _path(variable, tree)
        value = text if path in _TEXTS else parse_scalar(text, variable)
        if path in found and found[path][0] != value:
            other = found[path][1].removeprefix("environment ")
            raise ConfigError(
                f"{other} and {variable} set one field differently",
                field=".".join(path),
                constraint="one value per field",
                fix=f"unset {other} or {variable}",
            )
        found[path] = (value, f"environment {variable}")
    return [(path, value, source) for path, (value, source) in found.items()]


def _path(variable: str, tree: Mapping[str, Any]) -> KeyPath:
    words = variable.removeprefix(PREFIX).split("__")
    node: Any = tree
    path: KeyPath = ()
    for word in words:
        keys = {_folded(key): key for key in node} if isinstance(node, Mapping) else {}
        if word not in keys:
            raise ConfigError(
                f"the environment variable {variable} names no setting",
                field=variable,
                constraint=f"{', '.join([HOME, *SHORT])} or {PREFIX}<SECTION>__<KEY>[__<KEY>...]",
                fix=did_you_mean(variable, _known(path, keys)) + " or unset it",
            )
        path = (*path, keys[word])
        node = node[keys[word]]
    return path


def _known(path: KeyPath, keys: Mapping[str, str]) -> list[str]:
    stem = PREFIX + "".join(f"{_folded(key)}__" for key in path)
    return [stem + key for key in keys] + ([] if path else [HOME, *SHORT])


def _folded(key: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", key.upper())
