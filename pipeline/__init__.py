"""Pure domain code: arrays and frames in, arrays and frames out.

No Dagster, no DuckDB, no network, no clock and no global random state live here.
"""
