"""Layers of settings: which value wins, and where each came from.

Later layers win: default, base YAML, experiment, environment, command line.  Mappings are merged key by key,
lists and values are replaced.  Nothing here knows what a key means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.document import KeyPath

DEFAULT = "default"
"""The source of a field that no layer names."""


class Layers:
    """A merged tree and the source of every key in it.

    Examples
    --------
    >>> layers = Layers()
    >>> layers.put((), {"risk": {"cap": 0.4, "assets": ["SPY", "QQQ"]}}, "system.yaml")
    >>> layers.put(("risk",), {"assets": ["SPY"]}, "command line")
    >>> layers.data, layers.source(("risk", "assets"))
    ({'risk': {'cap': 0.4, 'assets': ['SPY']}}, 'command line')
    """

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self._sources: dict[KeyPath, str] = {}

    def put(self, path: KeyPath, value: Any, source: str, lines: Mapping[KeyPath, str] | None = None) -> None:
        """Merge a value in at a path.

        Parameters
        ----------
        path
            Where it belongs.
        value
            A mapping (merged) or anything else (replaces).
        source
            What `source` answers for what this call set.
        lines
            More exact sources by path, such as ``file:line`` of each key.
        """
        if isinstance(value, Mapping):
            self._sources[path] = (lines or {}).get(path, source)
            if path and not isinstance(self._get(path), dict):
                self._set(path, {})
            for key, item in value.items():
                self.put((*path, str(key)), item, source, lines)
        else:
            self._forget_below(path)
            self._set(path, value)
            self._sources[path] = (lines or {}).get(path, source)

    def source(self, path: KeyPath) -> str:
        """Return who set the value at a path (below a list: who set the list); else `DEFAULT`."""
        for length in range(len(path), 0, -1):
            found = self._sources.get(path[:length])
            if found is not None:
                inside = length == len(path) or not isinstance(self._get(path[:length]), Mapping)
                return found if inside else DEFAULT
        return DEFAULT

    def near(self, path: KeyPath) -> str:
        """Return who set the path or the nearest key above it: where a person has to look."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._sources:
                return self._sources[path[:length]]
        return DEFAULT

    def resolve(self, dotted: str) -> KeyPath:
        """Split a dotted path; keys that exist and hold dots themselves, such as ``BRK.B``, stay whole."""
        return _split(dotted.split("."), self.data)

    def _get(self, path: KeyPath) -> Any:
        node: Any = self.data
        for key in path:
            if not isinstance(node, Mapping) or key not in node:
                return None
            node = node[key]
        return node

    def _set(self, path: KeyPath, value: Any) -> None:
        node = self.data
        for key in path[:-1]:
            child = node.get(key)
            if not isinstance(child, dict):
                child = node[key] = {}
            node = child
        node[path[-1]] = value

    def _forget_below(self, path: KeyPath) -> None:
        for known in [known for known in self._sources if known[: len(path)] == path]:
            del self._sources[known]


def leaves(tree: Any, path: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    """Return every value that is not a mapping, with its path; an empty mapping counts as a value."""
    if isinstance(tree, Mapping) and tree:
        return [leaf for key, item in tree.items() for leaf in leaves(item, (*path, str(key)))]
    return [(path, tree)]


def _split(words: Sequence[str], node: Any) -> KeyPath:
    if not words:
        return ()
    if isinstance(node, Mapping):
        for length in range(len(words), 0, -1):
            key = ".".join(words[:length])
            if key in node:
                return (key, *_split(words[length:], node[key]))
    return (words[0], *_split(words[1:], None))
