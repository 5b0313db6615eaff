"""Features of every bar: computed by month, shown."""
