"""Regimes and their changes: computed over all history, stored, shown."""
