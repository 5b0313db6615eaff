"""Indicator kernels and the registry that names them."""
