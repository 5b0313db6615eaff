"""What the warehouse holds about a strategy as it is configured now: its run, the luck in it, its proof.

Nothing is run and nothing is guessed: what no stored row says is None, with the command that would make it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.backtest.locks import code_of, locked
from assets.backtest.population import cash_table
from assets.backtest.robustness import answers_of
from pipeline.errors import ComponentNotFoundError
from warehouse.tables import ATTESTATIONS, TRIALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.arrays import Float1D, Float2D
    from pipeline.lifecycle.candidate import CandidateFacts
    from pipeline.strategies.port import Parameters, Strategy
    from resources.desk import Desk

SEED = 8
"""Of the bootstrap behind the Reality Check: the same ledger gives the same p value."""

FEWEST_FUTURES, FEWEST_CUTS = 1000, 50
"""What a look-ahead proof must have tried to count."""


@dataclass(frozen=True)
class Subject:
    """A strategy as it is configured now.

    Parameters
    ----------
    name, strategy, params
        What would trade.
    code
        Version of all code that it runs on.
    identity
        SHA-256 (hex) of version, universe and parameters.
    """

    name: str
    strategy: Strategy
    params: Parameters
    code: str
    identity: str

    @property
    def version(self) -> str:
        """Version of the strategy."""
        return self.strategy.version


@dataclass(frozen=True)
class Measured:
    """What is known of it.

    Parameters
    ----------
    facts
        What the gates judge.
    run_id
        The run that was measured; None without one.
    run_missing, proof_missing
        What makes the number of a run, and of a look-ahead proof, where there is none.
    deflated_sharpe, trials
        Of that run, and the N that it is deflated by.
    """

    facts: CandidateFacts
    run_id: str | None
    run_missing: str
    proof_missing: str
    deflated_sharpe: float | None
    trials: int | None


@dataclass(frozen=True)
class Luck:
    """What the ledger says of a run beside its own numbers."""

    reality_check_p: float | None = None
    excess: float | None = None
    deflated_sharpe: float | None = None
    trials: int | None = None


def subject_of(desk: Desk, name: str) -> Subject:
    """Return a configured strategy.

    Raises
    ------
    ComponentNotFoundError
        When nothing configures it, or the code has none of that name.
    ConfigError
        When the code has another version, or a parameter is wrong.
    """
    from pipeline.config.load import canonical_hash
    from pipeline.strategies.registry import parameters, strategy

    configured = desk.loaded.settings.strategies
    if name not in configured:
        raise ComponentNotFoundError(
            "no such strategy is configured",
            field="strategy",
            value=name,
            constraint=f"one of {', '.join(configured)}",
            fix="`bells strategies list` shows all",
        )
    described = configured[name]
    chosen = strategy(name, described.universe, version=described.version)
    params = parameters(chosen, described.parameters)
    identity = {
        "strategy": name,
        "version": chosen.version,
        "universe": list(chosen.universe),
        "parameters": params.model_dump(mode="json"),
    }
    return Subject(name, chosen, params, code_of(locked([chosen])), canonical_hash(identity))


def measure(desk: Desk, subject: Subject) -> Measured:
    """Return what is stored of a strategy in the configured feed."""
    from pipeline.lifecycle.candidate import CandidateFacts

    halt = desk.loaded.settings.system.risk.drawdown_halt
    command = f"`bells backtest run --strategy {subject.name}` makes it"
    proof = f"`bells verify lookahead --strategy {subject.name}` proves it"
    if not desk.warehouse.path.exists():
        nothing = CandidateFacts(drawdown_halt=halt)
        return Measured(nothing, None, command, proof, None, None)
    leaks, unproven = _leaks(desk, subject)
    proof = proof if unproven is None else f"{unproven}; {proof}"
    run, mismatch = run_of(desk, subject)
    if run is None:
        nothing = CandidateFacts(leaks=leaks, drawdown_halt=halt)
        return Measured(
            nothing, None, command if mismatch is None else f"{mismatch}; {command}", proof, None, None
        )
    answers = answers_of(desk.warehouse, run["run_id"])
    luck = luck_of(desk, run)
    facts = CandidateFacts(
        sharpe=run["sharpe"],
        sharpe_low=answers.get("interval", {}).get("sharpe", {}).get("low"),
        reality_check_p=luck.reality_check_p,
        excess=luck.excess,
        max_drawdown=run["max_drawdown"],
        years=_years(run),
        round_trips=run["round_trips"],
        leaks=leaks,
        correlation_drawdown=answers.get("stress", {}).get("correlation", {}).get("max_drawdown"),
        gap_loss=answers.get("stress", {}).get("gap", {}).get("loss"),
        drawdown_halt=halt,
    )
    missing = f"run {run['run_id']} does not say; {command}"
    return Measured(facts, run["run_id"], missing, proof, luck.deflated_sharpe, luck.trials)


def run_of(desk: Desk, subject: Subject) -> tuple[dict[str, Any] | None, str | None]:
    """Return the newest research run of exactly this strategy, account and code, or why there is none."""
    rows = desk.warehouse.query("runs", strategy=subject.name, source=desk.market.feed)
    rows = rows.sort("run_id", descending=True)  # ids begin with the time of the run
    research = [row for row in rows.iter_rows(named=True) if row["kind"] == "research"]
    now = _filled(desk.loaded.as_dict(), subject)
    for row in research:
        if not _differs(row, now, subject):
            return row, None
    if not research:
        return None, None
    newest = research[0]
    parts = _differs(newest, now, subject)
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return None, f"the newest run {newest['run_id']} is another one ({parts[0]}{more})"


def luck_of(desk: Desk, run: Mapping[str, Any]) -> Luck:
    """Return how much of a run is luck, by the ledger's series of its family.

    Trials on other windows have no series on these days, and of old ones nobody knows what cash earned; for
    the Reality Check they count as further groups with a chance as good as that of the trials that have.
    """
    import numpy as np

    from pipeline.optimization.luck.deflated import deflated_among, in_excess
    from pipeline.optimization.luck.reality_check import reality_check

    place = {"family": run["family"], "window_start": run["window_start"], "window_end": run["window_end"]}
    held, own = (_series(desk, trial) for trial in (f"{run['run_id']}-0000-hold", run["run_id"]))
    if held is None or own is None or held[0].size != own[0].size:
        return Luck()
    days = own[0].size
    series = desk.warehouse.query("family_series", **place).to_dicts()
    mine = [row for row in series if row["config_hash"] == run["config_hash"]]
    others = [
        row
        for row in series
        if row["config_hash"] != run["config_hash"]
        and row["exposure"] is not None
        and row["daily_returns"] is not None
        and row["cash_returns"] is not None
        and len(row["daily_returns"]) == days
    ]
    exposure = _exposure(desk, run["run_id"])
    if exposure is None or not mine:
        return Luck()
    years = _years(run)
    table: Float2D = np.array([own[0], *(row["daily_returns"] for row in others)], dtype=np.float64)
    shares = np.array([exposure, *(row["exposure"] for row in others)])
    cash = cash_table([own[1], *(row["cash_returns"] for row in others)], days)
    excess = in_excess(table, held[0], shares, cash)
    check = reality_check(excess, seed=SEED, years=years, row=0)
    trials, tried = desk.warehouse.query("family_trials", **place).select("trials", "configurations").row(0)
    deflated = deflated_among(excess, 0, trials, years)
    return Luck(
        reality_check_p=_of_more(check.p_white, max(1.0, tried / len(table))),
        excess=float(np.nanmean(excess[0]) * days / years),
        deflated_sharpe=deflated.value,
        trials=deflated.n_trials,
    )


def _of_more(p: float | None, groups: float) -> float | None:
    """Return the chance that one of so many groups of trials shows what one shows with chance ``p``."""
    return None if p is None else float(1.0 - (1.0 - p) ** groups)


def _series(desk: Desk, trial_id: str) -> tuple[Float1D, Float1D] | None:
    """Return the daily returns of a trial and what cash earned; None where either is unknown."""
    import numpy as np

    names = ("daily_returns", "cash_returns")
    found = desk.warehouse.as_of(TRIALS, where={"trial_id": trial_id}, columns=names)
    for returns, cash in found.iter_rows():
        if returns is not None and cash is not None:
            return np.array(returns, dtype=np.float64), np.array(cash, dtype=np.float64)
    return None


def _exposure(desk: Desk, run_id: str) -> float | None:
    gross = desk.warehouse.query("equity", run_id=run_id)["gross"]
    return float(gross.to_numpy().mean()) if gross.len() and not gross.has_nulls() else None


def _years(run: Mapping[str, Any]) -> float:
    from pipeline.backtest.metrics import elapsed_years
    from pipeline.calendar.grid import to_time64

    start, end = (int(to_time64(run[name], name).astype("int64")) for name in ("window_start", "window_end"))
    return elapsed_years(start, end)


def _differs(row: Mapping[str, Any], now: Mapping[str, Any], subject: Subject) -> list[str]:
    from pipeline.lifecycle.sameness import differences

    found = []
    if row["strategy_version"] != subject.version:
        found.append(f"version {row['strategy_version']}, now {subject.version}")
    if row["code_version"] != subject.code:
        found.append(f"code {row['code_version']}, now {subject.code}")
    stored = json.loads(row["config_json"])
    if stored["system"]["backtest"].get("kill_from") is not None:
        found.append("a drill of the kill switch")
    return found + differences(_filled(stored, subject), now, subject.name)


def _filled(values: dict[str, Any], subject: Subject) -> dict[str, Any]:
    """Return settings in which the strategy's parameters have their defaults."""
    from pipeline.errors import ConfigError
    from pipeline.strategies.registry import parameters

    described = values["strategies"].get(subject.name)
    if described is None:
        return values
    try:
        params = parameters(subject.strategy, described["parameters"]).model_dump(mode="json")
    except ConfigError:  # parameters of another version; the comparison names them
        return values
    return {
        **values,
        "strategies": {**values["strategies"], subject.name: {**described, "parameters": params}},
    }


def _leaks(desk: Desk, subject: Subject) -> tuple[int | None, str | None]:
    """Return what the newest look-ahead proof found wrong, or why there is none that counts."""
    proofs = desk.warehouse.query("attestations", strategy=subject.name, feed=desk.market.feed).to_dicts()
    if not proofs:
        return None, None
    wanted = (subject.version, subject.code, subject.identity)
    for proof in proofs:
        of = (proof["version"], proof["code_version"], proof["identity"])
        if of == wanted and proof["cells"] and proof["planted"]:
            rows = desk.warehouse.as_of(
                ATTESTATIONS, where={"attestation_id": proof["attestation_id"]}, columns=("changed", "cuts")
            )
            tried, cuts = int(proof["perturbations"]), max(rows["cuts"].to_list(), default=0)
            if tried < FEWEST_FUTURES or cuts < FEWEST_CUTS:
                return None, (
                    f"the newest proof tried {tried} other futures and {cuts} cuts, fewer than"
                    f" {FEWEST_FUTURES} and {FEWEST_CUTS}"
                )
            missed = proof["planted"] - proof["caught"]
            return int(rows["changed"].sum()) + missed + proof["false_alarms"], None
    newest = proofs[0]
    if (newest["version"], newest["code_version"]) == wanted[:2] and newest["identity"] != subject.identity:
        return None, f"the newest proof is of other parameters or another universe ({newest['params_json']})"
    return None, f"the newest proof is of version {newest['version']} and code {newest['code_version']}"
