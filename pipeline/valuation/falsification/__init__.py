"""Falsification: what a model's skill is worth, given what the same pipeline shows on random walks."""
