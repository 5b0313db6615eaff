"""The HTTP interface, asked with requests that its own schema breeds, good and bad ones, in this process.

``python -m benchmarks.api_fuzz --examples 60 --json``.  The chain is simulated; nothing listens.  A 503 that
the schema documents (a model without data) is an answer and is counted apart; every other 5xx is an error.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import hypothesis
import hypothesis.errors
import schemathesis
from hypothesis import Phase
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err

from assets.valuation.inputs import ValuationInputs
from pipeline.config.load import load_settings
from resources.clock import SimulatedClock
from resources.home import ROOT
from service.api.app import build_app
from service.api.refresh import Keeper
from warehouse.manifest import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from fastapi import FastAPI

    from assets.valuation.board_read import StoredBoard
    from pipeline.valuation.history import ChainHistory

SEED = 8
LEFT_OUT = ("not_a_server_error", "positive_data_acceptance")
"""Checks that do not fit: a documented 503 is no fault, and a day of the right form may have no data."""
HERE = "http://127.0.0.1"
"""Without keys no other host is answered."""
FEW = 100
"""Walks of a board that is only looked at."""
STATUSES = {200, 400, 401, 403, 404, 405, 413, 503}


@dataclass(frozen=True)
class Standing:
    """A source of one history and one board that never change."""

    history: ChainHistory
    judged: StoredBoard | None

    def mark(self) -> object:
        """Return the one mark."""
        return 0

    def read(self, at: datetime) -> ValuationInputs:
        """Return the history."""
        return inputs_of(self.history, at)

    def board(self, _feed: str, _at: datetime, /) -> StoredBoard | None:
        """Return the board."""
        return self.judged


@dataclass
class Found:
    """What a run of cases met."""

    cases: int = 0
    server_errors: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the measures."""
        return {
            "cases": self.cases,
            "server_errors": self.server_errors,
            "schema_violations": len(self.violations),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "seed": SEED,
        }


def inputs_of(history: ChainHistory, at: datetime) -> ValuationInputs:
    """Return a history as it would have been read."""
    read = Input("chain.metrics_daily", at, history.n, "standing")
    return ValuationInputs(history, "sample", simulated=True, latest_revision=False, inputs=(read,))


def board_rows_of(history: ChainHistory) -> pl.DataFrame:
    """Return a board of few walks as rows of ``valuation.board``."""
    from assets.valuation.rows import board_rows, config_of
    from pipeline.valuation.configured import configured_models
    from pipeline.valuation.falsification.board import falsify
    from pipeline.valuation.falsification.rules import BoardRules

    settings = load_settings(root=ROOT, environ={}).settings.valuation
    rules = BoardRules(simulations=FEW, planted=FEW, planted_walks=FEW)
    board = falsify(history, configured_models(settings), rules=rules)
    return board_rows(board, inputs_of(history, datetime.now(UTC)), config_of(settings))


def board_over(history: ChainHistory) -> StoredBoard | None:
    """Return the same board as it would be read."""
    from assets.valuation.board_read import stored

    return stored(board_rows_of(history))


def app_over(history: ChainHistory, judged: StoredBoard | None = None, *, days_later: int = 2) -> FastAPI:
    """Return the app over a history and a board, its copy made so many days after the newest one."""
    settings = load_settings(root=ROOT, environ={}).settings
    now = datetime.combine(history.date[-1].item() + timedelta(days=days_later), datetime.min.time(), UTC)
    keeper = Keeper(Standing(history, judged), settings.valuation, SimulatedClock(now), poll_s=3600.0)
    keeper.look()
    return build_app(settings, keeper)


def fuzz(app: FastAPI, *, examples: int) -> Found:
    """Ask every operation with so many good and so many bad requests, and check each answer."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = Found()
    for result in schema.get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                _ask(strategy, found, examples)
            except hypothesis.errors.Unsatisfiable:  # an operation without inputs has no bad ones
                continue
    return found


def _ask(strategy: Any, found: Found, examples: int) -> None:
    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy)
    def each(case: Any) -> None:
        answer = case.call(base_url=HERE)
        found.cases += 1
        status = answer.status_code
        found.statuses[status] += 1
        found.server_errors += status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in STATUSES
        try:
            case.validate_response(answer, excluded_checks=_left_out())
        except (FailureGroup, AssertionError) as failure:
            found.violations.append(f"{case.method} {case.path}: {str(failure)[:2000]}")

    each()


def _left_out() -> list[Callable[..., Any]]:
    return schemathesis.checks.CHECKS.get_by_names(LEFT_OUT)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=60, help="good and bad requests, each, an operation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    from benchmarks.valuation_speed import simulated

    history = simulated(1500)
    found = fuzz(app_over(history, board_over(history)), examples=options.examples)
    for each in found.violations if not options.json else ():
        print(each)
    print(json.dumps(found.to_dict()))
    return 1 if found.server_errors or found.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
