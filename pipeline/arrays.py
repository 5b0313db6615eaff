"""The kinds of arrays that kernels take and give, named once."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float1D: TypeAlias = NDArray[np.float64]
"""One value per bar."""
Float2D: TypeAlias = NDArray[np.float64]
"""Shape ``(bars, assets)``, C order."""
Float3D: TypeAlias = NDArray[np.float64]
"""Shape ``(bars, assets, features)`` or ``(params, bars, assets)``, as the function says."""
Int1D: TypeAlias = NDArray[np.int64]
Int2D: TypeAlias = NDArray[np.int64]
Int8: TypeAlias = NDArray[np.int8]
"""Codes of labels, one per bar."""
Bool1D: TypeAlias = NDArray[np.bool_]
Bool2D: TypeAlias = NDArray[np.bool_]
Time1D: TypeAlias = NDArray[np.datetime64]
"""``datetime64[us]``, UTC."""
Time2D: TypeAlias = NDArray[np.datetime64]
AnyArray: TypeAlias = NDArray[Any]
