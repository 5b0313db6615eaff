"""Dagster assets, checks and jobs: read, call one pure function, write, report."""
