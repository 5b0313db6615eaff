"""Backtests: the one door to the kernel, what a run leaves, what it shows."""
