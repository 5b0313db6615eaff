"""How kernels of this package are compiled."""

from collections.abc import Callable
from typing import Any

import numba as nb


def compiled(function: Callable[..., Any]) -> Any:
    """Compile for one thread in IEEE arithmetic, without the GIL; the source stays at ``.py_func``.

    The cache on disk knows only the file of the function itself: a compiled function may call compiled
    functions of its own module and of no other, or an old copy of the callee would live on inside it.
    """
    return nb.njit(cache=True, nogil=True, error_model="numpy")(function)
