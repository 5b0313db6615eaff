"""The market-data port and one module per adapter."""
