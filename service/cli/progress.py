"""What a person sees while a Dagster run goes on, and what is remembered of it: one line for each step.

Fed by the instance with every event of the run, in the thread that runs it.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TextIO

from service.cli.failures import interrupted
from service.cli.output import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from dagster import DagsterEvent, EventLogEntry
    from dagster_shared.error import SerializableErrorInfo


@dataclass
class Step:
    """What became of one step.

    Parameters
    ----------
    name
        The asset it makes, ``schema/table``; the step's own name where it makes several.
    started, seconds
        When it started, and how long it took; None while it runs.
    assets
        Metadata values of each asset that it materialised, over all partitions.
    checks
        In order: asset, check, verdict (``passed``, ``warned``, ``failed``), description, numbers.
    error
        What stopped it.
    """

    name: str
    started: float = 0.0
    seconds: float | None = None
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    error: SerializableErrorInfo | None = None

    def rows(self, asset: str) -> int | None:
        """Return the rows stored of an asset, where it says so."""
        rows = self.assets.get(asset, {}).get("dagster/row_count")
        return None if rows is None else int(rows)

    def count(self, verdict: str, asset: str | None = None) -> int:
        """Return how many checks were ``passed``, ``warned`` or ``failed``, of one asset or of all."""
        return sum(check["verdict"] == verdict and asset in (None, check["asset"]) for check in self.checks)


class Progress:
    """A listener to the events of one run.

    Parameters
    ----------
    monotonic
        Seconds that never go back.
    stream
        Where the lines go; a spinner shows only on a terminal.

    Attributes
    ----------
    steps
        By step key, in the order in which they started.
    interrupted
        Whether a person stopped the run.
    """

    def __init__(self, monotonic: Callable[[], float], stream: TextIO) -> None:
        from rich.console import Console

        self.steps: dict[str, Step] = {}
        self.interrupted = False
        self._monotonic = monotonic
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._spinner = self._console.status("starting")

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._spinner.stop()

    def __call__(self, entry: EventLogEntry) -> None:
        """Take one event of the run."""
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        handler = _HANDLERS.get(event.event_type_value)
        if handler is not None:
            handler(self, event)

    def _step(self, event: DagsterEvent) -> Step:
        key = event.step_key or ""
        return self.steps.setdefault(key, Step(key.replace("__", "/")))

    def _started(self, event: DagsterEvent) -> None:
        step = self._step(event)
        step.started = self._monotonic()
        self._spinner.update(f"{step.name} ...")

    def _materialized(self, event: DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        assets = self._step(event).assets
        asset = assets.setdefault("/".join(materialization.asset_key.path), {})
        asset |= {name: value.value for name, value in materialization.metadata.items()}

    def _checked(self, event: DagsterEvent) -> None:
        evaluation = event.asset_check_evaluation_data
        severe = evaluation.severity.value == "ERROR"
        self._step(event).checks.append(
            {
                "asset": "/".join(evaluation.asset_key.path),
                "check": evaluation.check_name,
                "verdict": "passed" if evaluation.passed else "failed" if severe else "warned",
                "description": evaluation.description,
                "numbers": {
                    name: value.value
                    for name, value in evaluation.metadata.items()
                    if isinstance(value.value, int | float)
                },
            }
        )

    def _again(self, event: DagsterEvent) -> None:
        step = self._step(event)
        if interrupted(event.step_retry_data.error):
            # Dagster's retry policy takes an interrupt for one more failure; the next step must not start.
            self.interrupted = True
            signal.raise_signal(signal.SIGINT)
            return
        self._console.print(f"  {step.name} failed and is tried again", markup=False)

    def _done(self, event: DagsterEvent) -> None:
        step = self._step(event)
        step.seconds = self._monotonic() - step.started
        self._print("ok", step)

    def _failed(self, event: DagsterEvent) -> None:
        step = self._step(event)
        step.seconds = self._monotonic() - step.started
        step.error = event.step_failure_data.error
        self.interrupted |= interrupted(step.error)
        self._print("stopped" if self.interrupted else "FAILED", step)

    def _print(self, mark: str, step: Step) -> None:
        facts = [f"{mark:<8}{step.name:<24}"]
        rows = step.rows(step.name)
        facts.append(" " * 15 if rows is None else f"{rows:>10,} rows")
        facts.append("" if step.seconds is None else f"{step.seconds:6.1f} s")
        facts += [f"{counted(step.count(v), 'check')} {v}" for v in ("warned", "failed") if step.count(v)]
        self._console.print("  ".join(facts).rstrip(), markup=False)


_HANDLERS: dict[str, Callable[[Progress, DagsterEvent], None]] = {
    "STEP_START": Progress._started,  # noqa: SLF001 - the table of this class's own handlers
    "STEP_UP_FOR_RETRY": Progress._again,  # noqa: SLF001
    "STEP_SUCCESS": Progress._done,  # noqa: SLF001
    "STEP_FAILURE": Progress._failed,  # noqa: SLF001
    "ASSET_MATERIALIZATION": Progress._materialized,  # noqa: SLF001
    "ASSET_CHECK_EVALUATION": Progress._checked,  # noqa: SLF001
}
