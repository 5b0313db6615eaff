"""The home directory: where every file that the desk writes has its place, and Dagster's own settings.

One idea: state lives in one folder (``var`` beside the code, or ``EIGHTBELLS_HOME``), never in the working
directory.
"""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, ResourceError

ROOT = Path(__file__).resolve().parents[1]
"""The project root, found from this file and never from the working directory."""

DAGSTER_YAML = """\
# Written once by Eight Bells when it was missing; yours to change.  Storage is SQLite in this folder.
telemetry:
  enabled: false
nux:
  enabled: false

# Runs queue by their dagster/priority tag.  A pool without a limit of its own lets one op in at a time,
# so two runs never ask one venue at once; the warehouse has its own locks and needs no pool.
concurrency:
  runs:
    max_concurrent_runs: 4
  pools:
    granularity: op
    default_limit: 1

# A run that hangs or whose process was killed gives its slots back.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 120
  max_runtime_seconds: 7200
  poll_interval_seconds: 60
  free_slots_after_run_end_seconds: 60

# Ticks that did nothing are forgotten soon; failures are kept for three months.
retention:
  schedule:
    purge_after_days: {skipped: 3, success: 30, failure: 90, started: 30}
  sensor:
    purge_after_days: {skipped: 3, success: 30, failure: 90, started: 30}

freshness:
  enabled: true

sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 4

code_servers:
  local_startup_timeout: 120
"""
"""Dagster's instance settings, valid for the pinned release."""


@dataclass(frozen=True)
class Home:
    """Paths of everything that is kept.

    Parameters
    ----------
    path
        The home directory, absolute.
    """

    path: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Home":
        """Return the folder named by ``EIGHTBELLS_HOME``, or ``var`` in the project root.

        Raises
        ------
        ConfigError
            If the variable names a relative path: it would mean another folder in every working directory.
        """
        text = environ.get("EIGHTBELLS_HOME", "").strip()
        path = Path(text) if text else ROOT / "var"
        if not path.is_absolute():
            raise ConfigError(
                "the home directory is a relative path",
                field="EIGHTBELLS_HOME",
                value=text,
                constraint="an absolute path",
                fix=f"write EIGHTBELLS_HOME={(ROOT / path).as_posix()}, or unset it",
            )
        return cls(path)

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.path / "warehouse.duckdb"

    @property
    def dagster(self) -> Path:
        """``DAGSTER_HOME``: instance settings, runs, events, compute logs."""
        return self.path / "dagster"

    @property
    def artifacts(self) -> Path:
        """Reports, pictures, arrays."""
        return self.path / "artifacts"

    @property
    def spool(self) -> Path:
        """Urgent writes that found the warehouse busy."""
        return self.path / "spool"

    @property
    def numba(self) -> Path:
        """Compiled kernels."""
        return self.path / "numba"

    @property
    def logs(self) -> Path:
        """JSON-line streams."""
        return self.path / "logs"

    @property
    def bench(self) -> Path:
        """Results of ``make bench``."""
        return self.path / "bench"

    @property
    def verify(self) -> Path:
        """Results of ``make verify``."""
        return self.path / "verify"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder that `prepare` creates."""
        return (
            self.dagster,
            self.artifacts,
            self.spool,
            self.numba,
            self.logs,
            self.bench,
            self.verify,
        )

    def prepare(self, environ: MutableMapping[str, str] | None = None) -> "Home":
        """Create what is missing and point numba and Dagster here; changes nothing that exists.

        Call it before numba is imported, which reads its cache folder once.

        Parameters
        ----------
        environ
            Where ``NUMBA_CACHE_DIR`` and ``DAGSTER_HOME`` are set when they are not; default ``os.environ``.

        Raises
        ------
        ResourceError
            If a folder or ``dagster.yaml`` cannot be created.
        """
        variables = os.environ if environ is None else environ
        try:
            for folder in self.folders:
                folder.mkdir(parents=True, exist_ok=True)
            _write_once(self.dagster / "dagster.yaml", DAGSTER_YAML)
        except OSError as error:
            raise ResourceError(
                "the home directory cannot be prepared",
                field="EIGHTBELLS_HOME",
                value=str(error.filename or self.path),
                constraint=f"folders that can be created and written: {error.strerror}",
                fix="free the path, give yourself the right to write there, or name another EIGHTBELLS_HOME",
            ) from error
        variables.setdefault("NUMBA_CACHE_DIR", str(self.numba))
        variables.setdefault("DAGSTER_HOME", str(self.dagster))
        return self


def _write_once(path: Path, text: str) -> None:
    """Create a file whole or not at all, and leave an existing one alone."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
