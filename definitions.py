"""Placeholder until the layers stand."""
