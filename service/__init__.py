"""Resident processes and the ``bells`` command."""
