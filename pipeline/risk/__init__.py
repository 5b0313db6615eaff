"""Limits on what a book may hold; nothing here knows a broker, a strategy or a clock."""
