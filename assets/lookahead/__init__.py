"""The look-ahead proof of the whole graph."""
