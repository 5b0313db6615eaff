"""What counts as a secret, and how it is hidden: configuration, errors and logs use this one rule.

Reading a secret's value is the business of the adapter that needs it; nothing here keeps one.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import ConfigError

MASK = "***"
"""What stands where a secret was."""

_SECRET_NAME = re.compile(
    r"(secret|passw(or)?d|passphrase|token|api_?key|access_?key|private_?key|credential|authorization)",
    re.IGNORECASE,
)
_KNOWN_KEYS = re.compile(
    r"(AKIA|ASIA)[A-Z0-9]{16}|(PK|AK|CK)[A-Z0-9]{16,}|sk[-_](live|test|ant|proj)\S*|gh[pousr]_\w{20,}|xox[abpr]-\S+|eyJ[\w-]+\.\S+",
)
_IN_ADDRESS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^/\s:@]{0,256}:[^/\s@]{1,512}@", re.IGNORECASE
)
_LONGEST_WORD = 16
_SHORTEST_SECRET = 6


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: ``api_key`` does, ``api_key_env`` only names a variable."""
    return bool(_SECRET_NAME.search(name)) and not name.lower().endswith("_env")


def looks_like_secret(text: str) -> bool:
    """Whether a text looks like a key or token and not like the name of an environment variable.

    Known prefixes, or a part between underscores of 16 and more characters that mixes letters and digits.

    Examples
    --------
    >>> looks_like_secret("KRAKEN_API_SECRET"), looks_like_secret("AKIAIOSFODNN7EXAMPLE")
    (False, True)
    """
    if _KNOWN_KEYS.fullmatch(text):
        return True
    words = text.split("_")
    return any(
        len(word) >= _LONGEST_WORD and any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
        for word in words
    )


def refuse_secrets(tree: Any, where: Callable[[tuple[str, ...]], str], path: tuple[str, ...] = ()) -> None:
    """Raise `ConfigError` when a secret stands in the settings, without showing it.

    Parameters
    ----------
    tree
        Plain values.  Every key ending in ``_env`` must hold the name of an environment variable (capitals,
        digits and ``_``), and no key that says secret may hold a text.
    where
        Source of a path, shown in the message.
    path
        The keys above the tree.
    """
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            refuse_secrets(value, where, (*path, str(key)))
        return
    name = path[-1] if path else ""
    named = name.lower().endswith("_env")
    if (named and tree is not None and _bare(tree)) or (is_secret_name(name) and isinstance(tree, str)):
        raise ConfigError(
            f"{where(path)}: a secret, or something that is no variable's name, stands in the settings",
            field=".".join(path),
            value=MASK,
            constraint="a key ending in _env holds the NAME of a variable: capitals, digits and _",
            fix=f"export the secret as a variable and write {name if named else name + '_env'}: ITS_NAME",
        )


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of the variables whose names say secret, longest first, for masking in logs."""
    values = {
        text
        for name, text in environ.items()
        if is_secret_name(name) and len(text.strip()) >= _SHORTEST_SECRET
    }
    return tuple(sorted(values, key=len, reverse=True))


def masked(value: object, *, name: str = "", values: tuple[str, ...] = ()) -> object:
    """Return the value with its secrets replaced by `MASK`.

    Parameters
    ----------
    value
        A text, number, mapping or sequence.
    name
        The key it stands under; a key that says secret hides everything below it.
    values
        Known secrets, replaced wherever they occur.
    """
    if value is not None and (is_secret_name(name) or (name.lower().endswith("_env") and _bare(value))):
        return MASK
    if isinstance(value, str):
        for secret in values:
            value = value.replace(secret, MASK)
        return _IN_ADDRESS.sub(rf"\g<scheme>{MASK}@", value)
    if isinstance(value, Mapping):
        return {key: masked(item, name=str(key), values=values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, values=values) for item in value]
    return value


def _bare(value: object) -> bool:
    """Whether a value under an ``_env`` key is anything but a plain variable name."""
    return (
        not isinstance(value, str) or looks_like_secret(value) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", value)
    )
