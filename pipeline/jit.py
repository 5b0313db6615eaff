"""How kernels are compiled: one set of numba options with reasons, and a cache that cannot be stale.

Numba keeps a compiled function for as long as the file that defines it is unchanged, but it has merged into
it what that function calls in other files: an edited limit would go on being applied as it was.  So the cache
lies in a folder named after the text of every module that speaks of numba.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_HERE = Path(__file__).resolve().parent
_numba: Any = numba


def kernel(function: Function) -> Function:
    """Compile from the source that also runs as plain Python; division by zero gives inf or NaN in both.

    Kernels are small functions over arrays that the caller keeps alive, called once per bar; counting
    references to those arrays (two atomic operations per array and call) took half of a step.  ``_nrt=False``
    leaves the counting out; such a function cannot allocate, and numba refuses to compile one that would.
    """
    with _stamped_cache():
        return _numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)


def inlined(function: Function) -> Function:
    """Compile like `kernel` and merge into every caller: for the parts of a step."""
    with _stamped_cache():
        return _numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)(
            function
        )


@cache
def stamp(root: Path = _HERE) -> str:
    """Return a name for the text of all modules below ``root`` that speak of numba or of this module."""
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        if b"numba" in text or b"pipeline.jit" in text:
            digest.update(f"{path.relative_to(root)}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()[:16]


@contextmanager
def _stamped_cache() -> Generator[None]:
    before = _numba.config.CACHE_DIR
    _numba.config.CACHE_DIR = str(Path(before or _HERE / "__pycache__") / f"kernels-{stamp()}")
    try:
        yield
    finally:
        _numba.config.CACHE_DIR = before
