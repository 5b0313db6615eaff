"""The embedded default: a simulated, seeded, coherent world with planted regimes."""
