"""Skill or luck: what a search's best result is worth, given how many were tried."""
