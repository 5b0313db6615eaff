"""Ports and adapters: the clock, the warehouse, market sources, logs, artefacts."""
