"""The text of a strategy's code as one digest: as it is on disk, and as it was when it was loaded."""

import sys
from functools import cache
from hashlib import sha256
from pathlib import Path


def code_digest(kind: type) -> str:
    """Return the SHA-256 (hex) of the text of a class: its module, or all modules beside and below it.

    A module that stands alone is all there is; one of a package may use what lies beside it.
    """
    module = sys.modules[kind.__module__]
    path = Path(str(module.__file__))
    paths = sorted(path.parent.rglob("*.py")) if module.__package__ else [path]
    digest = sha256()
    for each in paths:
        text = each.read_bytes()
        digest.update(f"{each.relative_to(path.parent).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


@cache
def loaded_digest(kind: type) -> str:
    """Return the digest as it was at the first call in this process, which whoever loads the class makes."""
    return code_digest(kind)
