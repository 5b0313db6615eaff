"""``make verify [ISSUE=nn]``: run the claims of ``docs/claims.yaml`` at full size and say which hold.

A claim is ``{id, issue, kind, claim, command, measure, op, bound, unit}``: the command prints one JSON object
as its last line, ``measure`` is a dotted path into it, and the claim holds when ``measured op bound``.  A
command that exits non-zero, prints no JSON or lacks the measure is a claim that does not hold.  ``kind`` is
``exact`` (the same on every machine) or ``speed`` (depends on the machine and on who shares it).
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import ONE_THREAD, ROOT, machine

OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
KINDS = {"exact", "speed"}
FIELDS = {"id", "issue", "kind", "claim", "command", "measure", "op", "bound", "unit"}


def load_claims(path: Path) -> list[dict[str, Any]]:
    """Read the claims; a claim with missing or unknown fields is refused."""
    claims = yaml.safe_load(path.read_text(encoding="utf-8"))
    for claim in claims:
        if set(claim) != FIELDS:
            raise SystemExit(
                f"{path.name}: claim {claim.get('id')} must have exactly the fields {sorted(FIELDS)}"
            )
        if claim["kind"] not in KINDS:
            raise SystemExit(f"{path.name}: claim {claim['id']}: kind must be one of {sorted(KINDS)}")
        if isinstance(claim["bound"], str):
            raise SystemExit(f"{path.name}: claim {claim['id']}: the bound is text; write 1.0e-9, not 1e-9")
        if claim["op"] not in OPERATORS:
            raise SystemExit(f"{path.name}: claim {claim['id']}: op must be one of {sorted(OPERATORS)}")
    return claims


def last_json(text: str) -> Any:
    """Return the JSON value that ends ``text``: its last line, or the whole."""
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1] if lines else "")
    except json.JSONDecodeError:
        return json.loads(text)


def dig(value: Any, path: str) -> Any:
    """Follow a dotted path; a number indexes a list, ``name=value`` picks the row with that field."""
    for part in path.split("."):
        if isinstance(value, list) and "=" in part:
            name, wanted = part.split("=", 1)
            value = next(row for row in value if str(row[name]) == wanted)
        else:
            value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def run_command(command: str, timeout: float) -> tuple[Any, float, str | None]:
    """Run one command of a claim in the project's environment; returns (answer, seconds, failure)."""
    environment = {**os.environ, **ONE_THREAD}
    environment["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    start = time.perf_counter()
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, time.perf_counter() - start, f"took longer than {timeout:.0f} s"
    seconds = time.perf_counter() - start
    if done.returncode:
        return None, seconds, f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"
    try:
        return last_json(done.stdout), seconds, None
    except json.JSONDecodeError:
        return None, seconds, f"no JSON in the output: {done.stdout.strip()[-200:]}"


def judge(claim: dict[str, Any], answer: Any, failure: str | None) -> tuple[Any, bool, str]:
    """Return (measured, holds, remark) for one claim."""
    if failure:
        return None, False, failure
    try:
        measured = dig(answer, claim["measure"])
    except (KeyError, IndexError, TypeError, ValueError, StopIteration) as missing:
        return None, False, f"the answer lacks {claim['measure']}: {missing!r}"
    if measured is None:
        return None, False, "the measure is null"
    holds = bool(OPERATORS[claim["op"]](measured, claim["bound"]))
    names = answer.get("failures", ()) if isinstance(answer, dict) and not holds else ()
    return measured, holds, ", ".join(names)


def main() -> int:
    """Run the chosen claims, write ``var/verify/results.json`` and print a table."""
    parser = argparse.ArgumentParser(prog="make verify")
    parser.add_argument("--issue", type=int, help="only this issue's claims")
    parser.add_argument("--id", action="append", help="only this claim; may be repeated")
    parser.add_argument("--budget", type=float, default=5400.0, help="seconds for everything")
    parser.add_argument("--claims", type=Path, default=ROOT / "docs" / "claims.yaml")
    chosen = parser.parse_args()
    claims = [
        claim
        for claim in load_claims(chosen.claims)
        if chosen.issue in (None, claim["issue"]) and claim["id"] in (chosen.id or [claim["id"]])
    ]
    deadline = time.monotonic() + chosen.budget
    answers: dict[str, tuple[Any, float, str | None]] = {}
    results: list[dict[str, Any]] = []
    print("| claim | measured | bound | holds | seconds |\n|---|---|---|---|---|")
    for claim in claims:
        command = claim["command"]
        left = deadline - time.monotonic()
        fresh = command not in answers
        if fresh and left <= 0:
            answers[command] = (None, 0.0, "not run: no time left")
        elif fresh:
            answers[command] = run_command(command, left)
        answer, seconds, failure = answers[command]
        measured, holds, remark = judge(claim, answer, failure)
        results.append(
            {
                **claim,
                "measured": measured,
                "holds": holds,
                "seconds": round(seconds, 2),
                "machine": machine(),
                "remark": remark,
            }
        )
        shown = f"{measured:.6g}" if isinstance(measured, float) else measured
        mark = "yes" if holds else f"NO {remark}"
        bound = f"{claim['op']} {claim['bound']} {claim['unit']}"
        print(f"| {claim['id']}: {claim['claim']} | {shown} | {bound} | {mark} | {seconds:.1f} |", flush=True)
    folder = Path(os.environ.get("EIGHTBELLS_HOME", ROOT / "var"), "verify")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    held = sum(row["holds"] for row in results)
    print(f"\n{held} passed, {len(results) - held} failed")
    return 0 if held == len(results) else 5


if __name__ == "__main__":
    sys.exit(main())
