"""Schedules and sensors: a thin Dagster function over a pure decision."""
