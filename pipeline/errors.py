"""The one exception tree: every failure says what, where, why and the fix, and knows its exit code.

Nothing here imports anything: every layer may raise these.  The exit codes are those of ``bells``.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class BellsError(Exception):
    """A failure that a person can act on.

    Parameters
    ----------
    what
        One sentence: what went wrong.
    field
        The configuration key, column, file or option concerned.
    value
        The offending value, shown as ``repr`` cut at 200 characters.
    constraint
        The rule that it breaks.
    fix
        What to do now, as an imperative.

    Examples
    --------
    >>> print(DataError("bar breaks its own range", field="high", value=9.0, constraint="high >= close 10.0"))
    bar breaks its own range [field: high; value: 9.0; constraint: high >= close 10.0]
    """

    what: str
    field: str | None = None
    value: object = None
    constraint: str | None = None
    fix: str | None = None

    exit_code: ClassVar[int] = 255

    def __str__(self) -> str:
        shown = None if self.value is None else repr(self.value)[:200]
        parts = [
            f"{name}: {text}"
            for name, text in (
                ("field", self.field),
                ("value", shown),
                ("constraint", self.constraint),
                ("fix", self.fix),
            )
            if text is not None
        ]
        return f"{self.what} [{'; '.join(parts)}]" if parts else self.what

    def to_dict(self) -> dict[str, object]:
        """Return the record that ``--json`` and the error stream print."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "field": self.field,
            "value": None if self.value is None else repr(self.value)[:200],
            "constraint": self.constraint,
            "fix": self.fix,
            "exit_code": self.exit_code,
        }

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what, self.field, self.value, self.constraint, self.fix)


class ConfigError(BellsError):
    """Configuration, usage, an unknown component or a missing dependency."""

    exit_code = 1


class ComponentNotFoundError(ConfigError):
    """A strategy, feature, source or command of that name is not registered."""


class DependencyMissingError(ConfigError):
    """An optional library or program is not installed."""


class DataError(BellsError):
    """The data are wrong: source, schema, timestamps, or too little of them."""

    exit_code = 2


class SourceError(DataError):
    """A market source could not deliver."""


class SchemaError(DataError):
    """A frame or file lacks a column or holds the wrong type."""


class TimestampError(DataError):
    """Times without zone, off the grid, repeated, going back or from the future."""


class InsufficientDataError(DataError):
    """There are not enough rows for what was asked."""


class ModelError(BellsError):
    """A model failed: fit, pricing, bankruptcy, episodes."""

    exit_code = 3


class FitError(ModelError):
    """Parameters could not be estimated."""


class NotFittedError(ModelError):
    """A model was asked before it was fitted."""


class BankruptcyError(ModelError):
    """Net asset value reached zero or below."""


class ResourceError(BellsError):
    """Memory, time, disk or a busy warehouse."""

    exit_code = 4


class WarehouseBusyError(ResourceError):
    """The warehouse stayed locked for longer than the caller would wait."""


class RefusedError(BellsError):
    """A gate, a blocking check, the kill switch or a digest said no."""

    exit_code = 5


class CheckFailedError(RefusedError):
    """A blocking check on the data failed."""


class TamperedError(RefusedError):
    """A stored digest does not match what is there."""


class BrokerError(BellsError):
    """A broker or venue refused or is out of reach."""

    exit_code = 6
