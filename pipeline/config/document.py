"""One YAML file read into plain values with the line of every key: no validation of meaning here.

The one idea: read the parser's events and build the values ourselves, so that what YAML lets pass silently
(repeated keys, aliases, ``yes`` as a truth, ``12:30`` as a number, NaN) is refused with its line.  Scalars
follow YAML 1.2.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.secrets import masked
from pipeline.errors import ConfigError

KeyPath = tuple[str, ...]
"""The keys from the top to a value."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
_LONGEST_NUMBER = 40
_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(inf|nan|infinity)", re.IGNORECASE)
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """What one file says.

    Parameters
    ----------
    name
        The file as people know it: relative to the project root where it lies inside.
    data
        Plain values: dict, list, str, int, float, bool, None.
    lines
        The 1-based line of every key of every mapping.
    """

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def where(self, path: KeyPath) -> str:
        """Return ``file:line`` of a key, or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}:{self.lines[path[:length]]}"
        return self.name


def read_document(path: Path, *, root: Path | None = None) -> Document:
    """Read one YAML file whose top is a mapping.

    Parameters
    ----------
    path
        The file: UTF-8, at most 1 MB, at most 32 levels deep.
    root
        Messages name the file relative to this folder.

    Raises
    ------
    ConfigError
        If the file is missing, no file, too large, unreadable, not UTF-8, empty, not a mapping, or breaks
        YAML or one of the rules in the module's docstring.  Names file and line.
    """
    name = _shown(path, root)
    return parse_document(_text(path, name), name)


def parse_document(text: str, name: str) -> Document:
    """Build a document from text; `name` is what messages call it.  Raises as `read_document`."""
    builder = _Builder(name, f"{name}:{{line}}")
    try:
        data = builder.document(yaml.parse(text, Loader=_PARSER))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{name}{line}: the file is not valid YAML",
            field=name,
            constraint=str(getattr(error, "problem", None) or error).splitlines()[0],
            fix="check indentation (blanks, no tabs), quotes and brackets at that line",
        ) from error
    if data is None:
        raise ConfigError(
            f"{name}: the file is empty",
            field=name,
            constraint="a mapping of keys",
            fix="restore it from version control",
        )
    if not isinstance(data, dict):
        raise ConfigError(
            f"{name}: the top of the file is not a mapping",
            field=name,
            value=type(data).__name__,
            constraint="key: value lines",
            fix="begin with a key, without a leading dash",
        )
    return Document(name, data, builder.lines)


def parse_scalar(text: str, name: str) -> Any:
    """Read the text of an environment variable or a command line option as one YAML value.

    Examples
    --------
    >>> parse_scalar("0.3", "x"), parse_scalar("null", "x"), parse_scalar("[SPY, QQQ]", "x")
    (0.3, None, ['SPY', 'QQQ'])
    """
    builder = _Builder(name, name)
    try:
        return builder.document(yaml.parse(text, Loader=_PARSER))
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{name}: the value cannot be read",
            field=name,
            value=masked(text, name=name),
            constraint="one YAML value such as 0.3, true, null, text or [a, b]",
            fix="quote it, or close the bracket",
        ) from error


class _Builder:
    """Turns the parser's events into values, and refuses what must not pass."""

    def __init__(self, name: str, shown: str) -> None:
        self.name = name
        self.shown = shown
        self.lines: dict[KeyPath, int] = {}

    def document(self, events: Iterator[Any]) -> Any:
        value: Any = None
        seen = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    raise self._refused(
                        event, "a second document begins", "one document", "remove the --- line"
                    )
            elif isinstance(event, yaml.NodeEvent):
                value = self._node(event, events, ())
        return value

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._refused(
                event, "anchors and aliases are not used here", "plain values", "write the value out"
            )
        if event.tag not in {None, "!"}:
            raise self._refused(
                event, f"the tag {event.tag} is not used here", "plain values", "remove the tag"
            )
        if len(path) > MAX_DEPTH:
            raise self._refused(
                event, "the file is nested too deep", f"at most {MAX_DEPTH} levels", "flatten it"
            )
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path)
        return self._mapping(events, path)

    def _list(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, (*path, str(len(items)))))
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, events, path)
            if not isinstance(key, str) or not key.strip():
                raise self._refused(event, "a key is not a text", "keys are texts", "put the key into quotes")
            if key in mapping:
                first = self.lines[*path, key]
                fix = f"keep one of the two, the first stands in line {first}"
                raise self._refused(event, f"the key {key} stands twice", "every key once", fix, (*path, key))
            self.lines[*path, key] = event.start_mark.line + 1
            mapping[key] = self._node(next(events), events, (*path, key))
        return mapping

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            raise self._refused(
                event, f"{text} is not a finite number", "finite numbers", "write null for unknown"
            )
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > _LONGEST_NUMBER:
            constraint = f"at most {_LONGEST_NUMBER} characters"
            raise self._refused(
                event, "a number is too long", constraint, "shorten it, or put it into quotes"
            )
        if _WHOLE.fullmatch(text):
            return int(text)
        number = float(text)
        if not math.isfinite(number):
            raise self._refused(
                event, f"{text} is not a finite number", "finite numbers", "write a smaller number"
            )
        return number

    def _refused(self, event: Any, what: str, constraint: str, fix: str, path: KeyPath = ()) -> ConfigError:
        where = self.shown.replace("{line}", str(event.start_mark.line + 1))
        return ConfigError(
            f"{where}: {what}", field=".".join(path) or self.name, constraint=constraint, fix=fix
        )


def _text(path: Path, name: str) -> str:
    if not path.exists():
        raise ConfigError(
            f"{name}: the file does not exist",
            field=name,
            constraint="an existing file",
            fix="check the path, or restore the file",
        )
    if not path.is_file():
        raise ConfigError(
            f"{name}: this is not a file", field=name, constraint="a regular file", fix="name a YAML file"
        )
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(
            f"{name}: the file is too large",
            field=name,
            value=size,
            constraint=f"at most {MAX_BYTES} bytes",
            fix="a settings file is small: check the path",
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{name}: the file cannot be read",
            field=name,
            constraint=error.strerror,
            fix="check its permissions",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name}: the file is not UTF-8 text",
            field=name,
            constraint=f"UTF-8; {error.reason} at byte {error.start}",
            fix="save it with the encoding UTF-8",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError(
            f"{name}:{line}: the file holds a NUL byte",
            field=name,
            constraint="UTF-8 text",
            fix="restore the file, it is damaged",
        )
    return text


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return str(path)
