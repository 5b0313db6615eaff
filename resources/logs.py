"""JSON-line logs: five streams, one record shape, the trace id of the decision on every line.

What is worth a line is the caller's business.  A record that cannot be written never breaks the caller: it
becomes a record on the stream ``errors``, is counted, and is shown on stderr (with ``strict`` it raises).
"""

import re
import sys
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TextIO, get_args

from pipeline.config.secrets import masked, secret_values
from pipeline.config.system import Logging
from pipeline.errors import BellsError, ConfigError
from resources.log_file import LogFile
from resources.log_record import console_line, head, line, plain

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

StreamName = Literal["trades", "orders", "performance", "regime", "errors"]
STREAMS: tuple[StreamName, ...] = get_args(StreamName)
"""One file each."""
RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

_TRACE = re.compile(r"[\x21-\x7e]{1,128}")
_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


@contextmanager
def bind_trace(trace_id: str) -> Generator[None]:
    """Put a trace id on every record made inside, also in tasks started there.

    Raises
    ------
    ConfigError
        If the id is not 1 to 128 printable characters without blanks.
    """
    if not _TRACE.fullmatch(trace_id):
        raise ConfigError(
            "the trace id cannot be logged",
            field="trace_id",
            value=trace_id,
            constraint="1 to 128 printable ASCII characters without blanks",
            fix="use the decision id or a UUID",
        )
    token = _trace_id.set(trace_id)
    try:
        yield
    finally:
        _trace_id.reset(token)


def current_trace() -> str | None:
    """Return the trace id bound here, or None."""
    return _trace_id.get()


class Logs:
    """The desk's logs.

    Parameters
    ----------
    directory
        Where the five files live.
    now
        The clock.
    level, console_level
        Least level written to the files and shown on stderr.
    rotate_mb, keep
        Size of one file in MB (10^6 bytes), and how many old ones stay.
    console
        Where people watch; default the process's stderr at the time of the record.
    hidden
        Secrets to mask wherever they occur, from `pipeline.config.secrets.secret_values`.
    strict
        Raise on a record that cannot be written; tests do.

    Attributes
    ----------
    broken
        How many records could not be written as they were.

    Examples
    --------
    >>> log = logs.stream("orders", component="execution")          # doctest: +SKIP
    >>> with bind_trace("decision-7"):                              # doctest: +SKIP
    ...     log.info("order sent", symbol="BTC/USD", quantity=Decimal("0.25"))
    """

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], datetime],
        level: str = "info",
        console_level: str = "warning",
        rotate_mb: float = 10.0,
        keep: int = 5,
        console: TextIO | None = None,
        hidden: tuple[str, ...] = (),
        strict: bool = False,
    ) -> None:
        self._files = {
            name: LogFile(directory / f"{name}.jsonl", rotate_bytes=int(rotate_mb * 1e6), keep=keep)
            for name in STREAMS
        }
        self._now = now
        self._file_rank, self._console_rank = RANKS[level], RANKS[console_level]
        self._console = console
        self._hidden = hidden
        self._strict = strict
        self.broken = 0

    @classmethod
    def from_settings(
        cls,
        logging: Logging,
        directory: Path,
        *,
        now: Callable[[], datetime],
        environ: Mapping[str, str],
    ) -> Self:
        """Return the logs as configured; the values of variables that say secret are masked."""
        return cls(
            directory,
            now=now,
            level=logging.level,
            console_level=logging.console_level,
            rotate_mb=logging.rotate_mb,
            keep=logging.keep,
            hidden=secret_values(environ),
        )

    def stream(self, name: StreamName, component: str) -> "FilteringBoundLogger":
        """Return a logger whose methods are ``debug, info, warning, error, critical(message, **context)``.

        Parameters
        ----------
        name
            Where the records go; those of level error and above go to ``errors`` as well.
        component
            Who speaks: ``backtest``, ``warehouse``, ``market.files``.

        Raises
        ------
        ConfigError
            If there is no such stream.
        """
        import structlog

        if name not in STREAMS:
            raise ConfigError(
                "there is no such log stream",
                field="stream",
                value=name,
                constraint="one of " + ", ".join(STREAMS),
                fix="name one of them",
            )
        least = min(self._file_rank, self._console_rank)
        return structlog.wrap_logger(
            None,
            processors=[partial(self._accept, name, component)],
            wrapper_class=structlog.make_filtering_bound_logger(least),
            cache_logger_on_first_use=True,
        )

    def failure(self, error: BaseException, component: str) -> None:
        """Write an exception to ``errors`` with its field, value, constraint, fix and exit code."""
        log = self.stream("errors", component)
        if isinstance(error, BellsError):
            facts = error.to_dict()
            log.error(error.what, **{name: fact for name, fact in facts.items() if name != "what"})
        else:
            log.error(str(error) or type(error).__name__, error=type(error).__name__, exit_code=255)

    def _accept(
        self, name: StreamName, component: str, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> NoReturn:
        """Take one record from structlog, write it, and stop structlog there."""
        from structlog import DropEvent

        message = event.pop("event", None)
        try:
            self._write(name, self._record(component, method, message, event))
        except (TypeError, ValueError, OSError, RecursionError) as error:
            self.broken += 1
            if self._strict:
                raise
            self._report(name, component, message, error)
        raise DropEvent

    def _record(
        self, component: str, level: str, message: object, context: MutableMapping[str, Any]
    ) -> dict[str, Any]:
        if not isinstance(message, str):
            raise TypeError(f"the message of a record is a text, not {type(message).__name__}")
        if context.pop("exc_info", None):
            context["exception"] = repr(sys.exception())
        return {
            "timestamp": self._now().isoformat(timespec="microseconds"),
            "component": component,
            "level": level,
            "message": masked(message, values=self._hidden),
            "trace_id": current_trace(),
            "context": masked(plain(context), values=self._hidden),
        }

    def _write(self, name: StreamName, record: dict[str, Any]) -> None:
        rank = RANKS[record["level"]]
        if rank >= self._file_rank:
            text = line(record)
            self._files[name].append(text)
            if rank >= RANKS["error"] and name != "errors":
                self._files["errors"].append(text)
        if rank >= self._console_rank:
            self._show(record)

    def _show(self, record: dict[str, Any]) -> None:
        (self._console or sys.stderr).write(console_line(record))

    def _report(self, name: StreamName, component: str, message: object, error: Exception) -> None:
        """Write the record about a record; when that fails too, the count is what is left."""
        context = {"stream": name, "lost": head(message), "reason": repr(error), "broken": self.broken}
        record = self._record(component, "error", "a log record could not be written", context)
        try:
            self._files["errors"].append(line(record))
        except OSError as worse:
            record["context"]["errors_stream"] = repr(worse)
        try:
            self._show(record)
        except OSError:
            self.broken += 1
