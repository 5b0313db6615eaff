"""Bars, macro series and corporate actions: brought in, checked, read back."""
