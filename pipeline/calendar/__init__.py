"""The H4 grid, market sessions and the rules by which a bar becomes known."""
