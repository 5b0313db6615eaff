"""Lives of strategies: gates measured, steps taken."""
