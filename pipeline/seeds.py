"""Named random streams: one independent generator per (seed, purpose, indices).

The one idea: a stream is a function of its name alone, so it does not matter who asks first, how many threads
run, or which other streams exist.  No generator is shared and no global state is touched.
"""

from hashlib import sha256

import numpy as np

from pipeline.errors import ConfigError

_SCHEME = b"eightbells/stream/1"
_SEED_BITS = 63


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return the generator of one named stream, always at its beginning.

    The 128-bit key of a Philox counter generator is the head of a SHA-256 digest over the length-prefixed
    seed, purpose and indices (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

    Parameters
    ----------
    seed
        The run's seed, ``0 <= seed < 2**63``.
    purpose
        What the numbers are for, such as ``"sample/returns"``; never empty.
    *indices
        Any integers that tell streams of one purpose apart: path, asset, month.

    Returns
    -------
    numpy.random.Generator
        Two calls with equal arguments give generators that produce equal numbers.

    Raises
    ------
    ConfigError
        If the seed is out of range or not a whole number, the purpose empty, or an index not a whole number.

    Examples
    --------
    >>> a, b = stream(8, "sample/returns", 1), stream(8, "sample/returns", 2)
    >>> bool(a.random() == b.random())
    False
    """
    if not _whole(seed) or not 0 <= seed < 2**_SEED_BITS:
        raise ConfigError(
            "the seed is not usable",
            field="seed",
            value=seed,
            constraint="a whole number, 0 <= seed < 2**63",
            fix="give a whole number such as 8",
        )
    if not isinstance(purpose, str) or not purpose:
        raise ConfigError(
            "a random stream has no name",
            field="purpose",
            value=purpose,
            constraint="a text that is not empty",
            fix="name what the numbers are for",
        )
    for index in indices:
        if not _whole(index):
            raise ConfigError(
                "the index of a random stream is not a whole number",
                field="indices",
                value=index,
                constraint="int",
                fix="number the streams of one purpose with integers",
            )
    digest = sha256(_SCHEME)
    for part in (seed, purpose, *indices):
        text = str(part).encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    key = np.frombuffer(digest.digest()[:16], dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
