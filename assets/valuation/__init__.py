"""Valuation models: fits, forecasts, errors and the board, stored and shown."""
