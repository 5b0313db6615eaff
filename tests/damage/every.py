"""All damaged cases, in the order of what they hit."""

from dataclasses import replace

from tests.damage import command_cases, config_cases, file_cases, mapping_cases, warehouse_cases

OWED = {
    "bar in conflict: two closes": "a day made of what is left replaces the whole one",
    "bar in conflict: two volumes": "a day made of what is left replaces the whole one",
    "stamp off the grid: an hour late": "a day made of what is left replaces the whole one",
    "stamp off the grid: seven seconds": "a day made of what is left replaces the whole one",
    "bar across a cell: half hours": "a bar made of what is left replaces the whole one",
    "bar outside the session: before the open": "a bar made of what is left replaces the whole one",
    "bar outside the session: on a Saturday": "a bar made of what is left replaces the whole one",
    "gap: a week of the coin is gone": "a day made of what is left replaces the whole one",
    "bar from the future: in 2044": "rows beyond the window are dropped unseen",
    "warehouse altered: column renamed, bells data update": "nothing compares the file with its declaration",
    "warehouse altered: column renamed, bells backtest run": "an unhandled BinderException, exit 255",
}
_ALL = [
    *config_cases.CASES,
    *mapping_cases.CASES,
    *file_cases.CASES,
    *warehouse_cases.CASES,
    *command_cases.CASES,
]
CASES = [replace(case, owed=OWED.get(case.id, case.owed)) for case in _ALL]
"""Every one is run by ``make test`` in one process, and by ``benchmarks.damage`` in processes of their own."""
