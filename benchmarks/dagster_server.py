"""A real ``dagster dev`` on a free port, asked over GraphQL, and gone with all its children at the end.

The end-to-end test and the screenshots use it; nothing here knows what the assets hold.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
ANSWER_S = 90.0
"""How long one answer may take: the web server shares the machine with the run."""
LOCATION, REPOSITORY = "eightbells", "__repository__"

LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = """
query($id: ID!) { runOrError(runId: $id) {
  __typename ... on Run { status } ... on PythonError { message } } }"""
LOCATIONS = """
{ workspaceOrError { __typename ... on Workspace { locationEntries { name loadStatus locationOrLoadError {
  __typename ... on PythonError { message errorChain { error { message } } } } } } } }"""


class DagsterServer:
    """``dagster dev -w workspace.yaml`` with a home of its own, as a context manager.

    Parameters
    ----------
    home
        ``EIGHTBELLS_HOME``; its ``dagster`` folder is the instance.
    environ
        Further environment variables, such as settings.
    """

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = _free_port()
        self._environ = {
            **os.environ,
            **(environ or {}),
            "EIGHTBELLS_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process_id(self) -> int:
        """Process id of the server, which is also the number of its session."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.home / "dagster-dev.log"

    def __enter__(self) -> Self:
        from resources.home import Home

        Home(self.home).prepare(dict(self._environ))
        command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(ROOT / "workspace.yaml")]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-h", "127.0.0.1", "-p", str(self.port)],
                cwd=self.home,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_loaded()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, grace_s: float = 10.0) -> None:
        """End the server and whatever it started: asked first, killed after ``grace_s`` seconds."""
        if self._process is None:
            return
        session = self._process.pid
        for number, patience in ((signal.SIGINT, grace_s), (signal.SIGKILL, grace_s)):
            for pid in [session] if number == signal.SIGINT else members(session):
                _signal(pid, number)
            until = time.monotonic() + patience
            while time.monotonic() < until and (self._process.poll() is None or members(session)):
                time.sleep(0.1)
        self._process.wait(timeout=grace_s)
        self._process = None

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Return ``data`` of a GraphQL answer.

        Raises
        ------
        RuntimeError
            When the answer holds errors.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address, plain http
            f"{self.url}/graphql", body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - as above
                said = json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise RuntimeError(refusal.read().decode()) from refusal
        if said.get("errors"):
            raise RuntimeError(json.dumps(said["errors"])[:2000])
        return said["data"]

    def launch(self, job: str, tags: Mapping[str, str]) -> str:
        """Launch a job and return the id of its run."""
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": REPOSITORY,
                "jobName": job,
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self.ask(LAUNCH, params=params)["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(json.dumps(answer)[:2000])
        return answer["run"]["runId"]

    def wait_for(self, run_id: str, timeout_s: float = 90.0) -> str:
        """Return the status of a run once it has ended."""
        until = time.monotonic() + timeout_s
        while (status := self.ask(STATUS, id=run_id)["runOrError"]["status"]) not in ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f"run {run_id} is still {status} after {timeout_s} s; see {self.log}")
            time.sleep(0.5)
        return status

    def _wait_until_loaded(self, timeout_s: float = 180.0) -> None:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"dagster dev ended: {self.log.read_text()[-2000:]}")
            try:
                entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.3)
                continue
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                wrong = [e["locationOrLoadError"] for e in entries]
                if any(entry["__typename"] == "PythonError" for entry in wrong):
                    raise RuntimeError(json.dumps(wrong)[:2000])
                return
            time.sleep(0.3)
        raise TimeoutError(f"dagster dev is not up after {timeout_s} s: {self.log.read_text()[-2000:]}")


def members(session: int) -> list[int]:
    """Return the live processes of a session, the leader included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, *rest = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(rest[2]) == session and state != "Z":
                found.append(int(entry.name))
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
