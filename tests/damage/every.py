"""All damaged cases, in the order of what they hit."""

from tests.damage import command_cases, config_cases, file_cases, mapping_cases, warehouse_cases

CASES = [
    *config_cases.CASES,
    *mapping_cases.CASES,
    *file_cases.CASES,
    *warehouse_cases.CASES,
    *command_cases.CASES,
]
"""``make test`` runs every one in one process, ``benchmarks.damage`` in processes of their own."""
