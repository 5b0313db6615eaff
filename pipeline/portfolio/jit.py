"""How the account's kernels are compiled: one set of numba options, and the reason for each.

They are small functions over arrays that the caller keeps alive, called once per bar; counting
references to those arrays (two atomic operations per array and call) took half of a step.  ``_nrt=False``
leaves the counting out; such a function cannot allocate, and numba refuses to compile one that would.
"""

import numba

kernel = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""Compiled from the same source that runs as plain Python; divisions by zero give inf or NaN in both."""

inlined = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
"""The same, merged into its caller: for the parts of a step."""
