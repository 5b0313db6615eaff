"""Settings from all layers: default, ``configs/base``, experiment, environment, command line; later wins."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.config.document import Document, KeyPath, parse_scalar, read_document
from pipeline.config.environment import from_environ
from pipeline.config.experiment import Experiment, read_experiment
from pipeline.config.layers import Layers, leaves
from pipeline.config.problems import did_you_mean, explain, keys_at
from pipeline.config.secrets import refuse_secrets
from pipeline.config.settings import SECTIONS, Settings
from pipeline.errors import ConfigError

COMMAND_LINE = "command line"
NOT_IN_HASH = (
    ("system", "data_dir"),
    ("system", "files_mapping"),
    ("system", "venues_settings"),
    ("system", "warehouse"),
    ("system", "logging"),
    ("system", "freshness"),
    ("system", "checks"),
    ("system", "controls"),
    ("chain",),
    ("valuation",),
    ("service",),
    ("strategies", "*", "description"),
    ("strategies", "*", "status"),
)
"""Paths whose value cannot change a run: places, waits, gates, controls, words (files: see the data hash).

No run of a strategy reads the chain or what is made of it, so none of it makes another configuration."""


@dataclass(frozen=True)
class Loaded:
    """Validated settings, where each field came from, and their hash.

    Parameters
    ----------
    settings
        The settings.
    origin
        Dotted path of every field to ``default``, ``file:line``, ``environment NAME`` or ``command line``.
    config_hash
        SHA-256 (hex) of the values that can change a result; see `NOT_IN_HASH`.
    experiment
        The experiment file's head, if one was given.
    root
        The project root; relative paths in the settings start there.
    """

    settings: Settings
    origin: dict[str, str]
    config_hash: str
    experiment: Experiment | None
    root: Path

    def as_dict(self) -> dict[str, Any]:
        """Return all values as plain JSON values."""
        return _plain(self.settings)

    def hash_with(self, strategy: str, parameters: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return what `config_hash` would be if a strategy had each of these parameters in turn."""
        values = hashed(self.as_dict())
        described = values["strategies"][strategy]
        hashes = []
        for each in parameters:
            described["parameters"] = _plain(each)
            hashes.append(canonical_hash(values))
        return hashes

    def where(self, path: KeyPath) -> str:
        """Return the source of a field for messages: the field's own, or that of the nearest key above it."""
        for length in range(len(path), 0, -1):
            found = self.origin.get(".".join(path[:length]))
            if found is not None:
                return found
        return ""

    @property
    def data_dir(self) -> Path | None:
        """Folder of the files source; None when nothing is set and ``../shared/data`` does not exist."""
        chosen = self.settings.system.data_dir
        if chosen is not None:
            return self.root / chosen
        beside = self.root.parent / "shared" / "data"
        return beside if beside.is_dir() else None


def load_settings(
    *,
    root: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    experiment: Path | None = None,
) -> Loaded:
    """Read, merge and validate all settings.

    Parameters
    ----------
    root
        The project root; ``configs/base`` lies below it.
    environ
        Environment variables; only those beginning with ``EIGHTBELLS_`` are looked at.
    overrides
        Dotted path to value from the command line: ``{"risk.per_asset_cap": "0.3"}``.  The section ``system``
        may be left out.  Texts are read as YAML values.
    experiment
        An experiment file, laid over the base.

    Raises
    ------
    ConfigError
        For the first problem found: file and line, field, value, rule and fix.
    """
    base = list(_base(root))
    tried = [*_experiments(experiment, root)] if experiment else []
    layers = Layers()
    for section, document in base:
        layers.put((section,), document.data, document.name, _lines(document, (section,)))
    for document, head in tried:
        _put_experiment(layers, document, head)
    for path, value, source in from_environ(environ, _known_keys(layers.data)):
        layers.put(path, value, source)
    for key, value in (overrides or {}).items():
        path = _resolved(key, layers, COMMAND_LINE)
        layers.put(path, parse_scalar(value, key) if isinstance(value, str) else value, COMMAND_LINE)
    refuse_secrets(layers.data, layers.near)
    settings = _validated(layers)
    values = _plain(settings)
    origin = {".".join(path): layers.source(path) for path, _value in leaves(values)}
    return Loaded(settings, origin, canonical_hash(hashed(values)), tried[-1][1] if tried else None, root)


def with_experiment(loaded: Loaded, experiment: Path) -> Loaded:
    """Return settings with an experiment file laid over them, as a code location does with its own.

    Parameters
    ----------
    loaded
        Settings from all layers.
    experiment
        The file; relative ones start at the project root.

    Raises
    ------
    ConfigError
        As `load_settings`.
    """
    layers = Layers()
    for path, value in leaves(loaded.as_dict()):
        layers.put(path, value, loaded.origin[".".join(path)])
    tried = [*_experiments(loaded.root / experiment, loaded.root)]
    for document, head in tried:
        _put_experiment(layers, document, head)
    settings = _validated(layers)
    values = _plain(settings)
    origin = {".".join(path): layers.source(path) for path, _value in leaves(values)}
    return Loaded(settings, origin, canonical_hash(hashed(values)), tried[-1][1], loaded.root)


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``risk.per_asset_cap=0.3`` of the command line; raises `ConfigError` without key or ``=``."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            "an override is not an assignment",
            field="--set",
            value=text,
            constraint="dotted.path=value",
            fix="write it as risk.per_asset_cap=0.3",
        )
    return key.strip(), value


def canonical_hash(values: object) -> str:
    """Return the SHA-256 (hex) of a JSON value written one way: sorted keys, no blanks, finite numbers."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def _base(root: Path) -> Iterator[tuple[str, Document]]:
    folder = root / "configs" / "base"
    for path in sorted(folder.glob("*.y*ml")):
        if path.name not in {f"{section}.yaml" for section in SECTIONS}:
            raise ConfigError(
                f"nothing reads the file configs/base/{path.name}",
                field=path.name,
                constraint="one of " + ", ".join(f"{section}.yaml" for section in SECTIONS),
                fix=did_you_mean(path.name, [f"{section}.yaml" for section in SECTIONS]),
            )
    for section in SECTIONS:
        yield section, read_document(folder / f"{section}.yaml", root=root)


def _experiments(path: Path, root: Path) -> Iterator[tuple[Document, Experiment]]:
    """Yield an experiment file after the one that it stands on."""
    document = read_document(path, root=root)
    head = read_experiment(document)
    if head.base_config is not None:
        beneath = read_document(root / head.base_config, root=root)
        below = read_experiment(beneath)
        if below.base_config is not None:
            raise ConfigError(
                f"{document.where(('experiment', 'base_config'))}: the file beneath stands on another one",
                field="experiment.base_config",
                value=head.base_config,
                constraint="a file without base_config",
                fix="write the overrides of both into one file",
            )
        yield beneath, below
    yield document, head


def _put_experiment(layers: Layers, document: Document, head: Experiment) -> None:
    """Lay the overrides of an experiment over what is there, then its strategy and its window."""
    for key, value in (head.overrides or {}).items():
        where = document.where(("experiment", "overrides", key))
        path = _resolved(key, layers, where)
        layers.put(path, value, where, _lines_below(document, key, path))
    chosen = {
        ("strategy",): (head.target_model, "target_model"),
        ("start",): (head.backtest.start_date, "backtest"),
        ("end",): (head.backtest.end_date, "backtest"),
    }
    for path, (value, key) in chosen.items():
        if value is not None:
            layers.put(("system", "backtest", *path), value, document.where(("experiment", key)))


def _lines(document: Document, under: KeyPath) -> dict[KeyPath, str]:
    return {(*under, *path): f"{document.name}:{line}" for path, line in document.lines.items()}


def _lines_below(document: Document, key: str, under: KeyPath) -> dict[KeyPath, str]:
    head = ("experiment", "overrides", key)
    return {
        (*under, *path[len(head) :]): f"{document.name}:{line}"
        for path, line in document.lines.items()
        if path[: len(head)] == head
    }


def _resolved(dotted: str, layers: Layers, source: str) -> KeyPath:
    """Find a dotted path; without a section it belongs to ``system``."""
    path = layers.resolve(dotted)
    if path[0] in SECTIONS:
        return path
    tops = keys_at(Settings, ("system",)) or []
    if path[0] not in tops:
        raise ConfigError(
            f"{source}: {path[0]} is not known",
            field=dotted,
            constraint="a dotted path that begins with one of " + ", ".join((*SECTIONS, *tops)),
            fix=did_you_mean(path[0], [*SECTIONS, *tops]),
        )
    return layers.resolve(f"system.{dotted}")


def _known_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged values completed by the keys that the models know."""

    def grown(node: object, path: KeyPath) -> Any:
        keys = keys_at(Settings, path)
        if keys is None and not isinstance(node, Mapping):
            return None
        given = node if isinstance(node, Mapping) else {}
        return {key: grown(given.get(key), (*path, key)) for key in dict.fromkeys([*(keys or []), *given])}

    return grown(data, ())


def _validated(layers: Layers) -> Settings:
    data = {**layers.data}
    instruments = data.get("instruments")
    if isinstance(instruments, dict):
        data["instruments"] = {
            key: {"symbol": key, **item} if isinstance(item, dict) else item
            for key, item in instruments.items()
        }
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise explain(error, Settings, where=layers.near) from error


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def hashed(values: Any, path: KeyPath = ()) -> Any:
    """Return the values that can change a result: all but those of `NOT_IN_HASH`."""
    if not isinstance(values, Mapping):
        return values
    return {
        key: hashed(item, (*path, key))
        for key, item in values.items()
        if not any(_matches(pattern, (*path, key)) for pattern in NOT_IN_HASH)
    }


def _matches(pattern: KeyPath, path: KeyPath) -> bool:
    return len(pattern) == len(path) and all(p in {"*", key} for p, key in zip(pattern, path, strict=True))
