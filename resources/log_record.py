"""What one log line holds: plain JSON values, cut to one short line, and the same for a person's eyes."""

import json
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from resources.log_file import LONGEST_LINE

_CUT = 200
_KEYS_KEPT = 8
_KEY_CUT = 40
_CONSOLE_CUT = 1000
_CONTROL = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(128, 160)]}


def plain(value: Any) -> Any:
    """Return JSON values: decimals, instants, paths and enums as text, NaN and infinity as null.

    Raises
    ------
    TypeError
        If the value is some other object.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy number
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return _text(value)


def line(record: Mapping[str, Any]) -> bytes:
    """Return the record as one JSON line; one that is too long keeps the heads of its first values."""
    whole = _encoded(record)
    if len(whole) <= LONGEST_LINE:
        return whole
    heads = {str(key)[:_KEY_CUT]: head(item) for key, item in list(record["context"].items())[:_KEYS_KEPT]}
    context = {"cut": True, "bytes": len(whole), **heads}
    return _encoded({**record, "message": head(record["message"]), "context": context})


def console_line(record: Mapping[str, Any]) -> str:
    """Return the record for people: one line, no control characters, at most 1,000 characters."""
    facts = "".join(f" {key}={value}" for key, value in record["context"].items())
    trace = f" trace_id={record['trace_id']}" if record["trace_id"] else ""
    text = f"{record['timestamp']} {record['level']} {record['component']}: {record['message']}{facts}{trace}"
    return text.translate(_CONTROL)[:_CONSOLE_CUT] + "\n"


def head(value: object) -> str:
    """Return the first 200 characters of a plain value in ASCII, or the type of another object."""
    known = value is None or isinstance(value, (str, int, float, list, dict))
    text = str(value) if known else f"<{type(value).__name__}>"
    return text[:_CUT].encode("ascii", "replace").decode()


def _encoded(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Decimal, Path, UUID)):
        return str(value)
    raise TypeError(f"a record cannot hold {type(value).__module__}.{type(value).__qualname__}")
