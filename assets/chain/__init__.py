"""The chain by block and by day: brought in, derived, shown."""
