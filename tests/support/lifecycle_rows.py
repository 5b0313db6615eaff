"""Rows as a good backtest and a clean look-ahead proof leave them, for tests of what counts on them."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl

from assets.lifecycle.facts import Subject
from assets.manifests import code_version, manifest_for
from resources.desk import Desk
from warehouse.frames import schema
from warehouse.table import Table
from warehouse.tables import ATTESTATIONS, EQUITY, ROBUSTNESS, RUNS, TRIALS

START, END = datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 756
GOOD_DAYS = np.random.default_rng(8).normal(0.0010, 0.008, DAYS)
"""Three years of a Sharpe ratio near 2."""


NO_CASH = np.empty(0)
"""Cash that earns nothing."""


def frame(table: Table, rows: list[dict]) -> pl.DataFrame:
    """Rows of a table; what is not given is NULL."""
    return pl.DataFrame([dict.fromkeys(table.names) | row for row in rows], schema=schema(table, table.names))


def store_run(
    desk: Desk,
    subject: Subject,
    run_id: str = "20240101T000000000000-aaaa",
    *,
    days: np.ndarray = GOOD_DAYS,
    cash: np.ndarray | None = NO_CASH,
    kind: str = "research",
    answers: dict | None = None,
    **changed: object,
) -> str:
    """Store a run whose every gate passes, with what is given in place of its own."""
    universe = ",".join(sorted(subject.strategy.universe))
    common = {
        "run_id": run_id,
        "strategy": subject.name,
        "kind": kind,
        "family": f"{subject.name}[{universe}]",
        "window_start": START,
        "window_end": END,
        "data_hash": "data",
        "config_hash": desk.loaded.config_hash,
        "code_version": subject.code,
    }
    run = common | {
        "strategy_version": subject.version,
        "source": desk.market.feed,
        "simulated": desk.market.simulated,
        "round_trips": 40,
        "sharpe": 2.0,
        "max_drawdown": 0.10,
        "config_json": json.dumps(desk.loaded.as_dict(), default=str),
    }
    run |= changed
    trial = {key: run[key] for key in common} | {"trial_id": run_id, "universe": universe}
    told = {
        ("interval", "sharpe", "low"): 0.9,
        ("stress", "correlation", "max_drawdown"): 0.12,
        ("stress", "gap", "loss"): 0.08,
    } | (answers or {})
    held = trial | {
        "trial_id": f"{run_id}-0000-hold",
        "run_id": None,
        "kind": "control",
        "daily_returns": np.full(DAYS, 0.0001).tolist(),
    }
    earned = {"cash_returns": None if cash is None else cash.tolist()}
    frames = [
        (RUNS, frame(RUNS, [run])),
        (TRIALS, frame(TRIALS, [trial | {"daily_returns": days.tolist()} | earned, held | earned])),
        (EQUITY, frame(EQUITY, [{"run_id": run_id, "ts": START, "nav": 1.0, "gross": 0.5}])),
        (
            ROBUSTNESS,
            frame(
                ROBUSTNESS,
                [
                    {"run_id": run_id, "topic": topic, "name": name, "measure": measure, "value": value}
                    for (topic, name, measure), value in told.items()
                ],
            ),
        ),
    ]
    desk.warehouse.write_many(frames, manifest=manifest_for("test", desk.loaded, desk.clock.now()))
    return run_id


def store_proof(desk: Desk, subject: Subject, attestation_id: str = "proof", **changed: object) -> None:
    """Store a look-ahead proof that found nothing, with what is given in place of its own."""
    row = {
        "attestation_id": attestation_id,
        "what": "strategy",
        "name": subject.name,
        "version": subject.version,
        "identity": subject.identity,
        "code_version": code_version(),
        "config_hash": desk.loaded.config_hash,
        "feed": desk.market.feed,
        "simulated": desk.market.simulated,
        "modes": "noise",
        "perturbations": 1000,
        "cuts": 50,
        "cells": 10_000,
        "changed": 0,
        "planted": 12,
        "caught": 12,
        "false_alarms": 0,
        "seed": 8,
    } | changed
    desk.warehouse.append(ATTESTATIONS, frame(ATTESTATIONS, [row]))
