"""Searches: run, judged, stored, shown."""
