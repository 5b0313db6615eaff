"""All damaged cases, in the order of what they hit."""

from dataclasses import replace

from tests.damage import command_cases, config_cases, file_cases, mapping_cases, warehouse_cases

OWED: dict[str, str] = {}
_ALL = [
    *config_cases.CASES,
    *mapping_cases.CASES,
    *file_cases.CASES,
    *warehouse_cases.CASES,
    *command_cases.CASES,
]
CASES = [replace(case, owed=OWED.get(case.id, case.owed)) for case in _ALL]
"""``make test`` runs every one in one process, ``benchmarks.damage`` in processes of their own."""
