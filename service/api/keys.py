"""Who may ask: keys from a variable that the settings name, and callers on this machine."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST = 16


class Keys:
    """The keys that open the interface; only their digests are kept.

    Parameters
    ----------
    keys
        Plain keys; none: nobody is asked.
    """

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    @property
    def configured(self) -> bool:
        """Whether keys are asked for."""
        return bool(self._digests)

    def opens(self, given: str | None) -> bool:
        """Whether a header opens the interface; takes as long for a wrong key as for a right one."""
        if not self._digests:
            return True
        offered = _digest(given or "")
        return any(hmac.compare_digest(offered, each) for each in self._digests)

    def __repr__(self) -> str:
        return f"Keys({len(self._digests)})"


def keys_from(environ: Mapping[str, str], name: str | None) -> Keys:
    """Return the keys that a variable holds, divided by commas.

    Raises
    ------
    ConfigError
        When the variable is named and not set, or a key is too short or has letters that no header carries.
    """
    if name is None:
        return Keys()
    keys = tuple(each.strip() for each in environ.get(name, "").split(",") if each.strip())
    if not keys or not all(len(key) >= SHORTEST and key.isascii() and key.isprintable() for key in keys):
        raise ConfigError(
            "a key is too short or not plain ASCII" if keys else "the variable of the keys is not set",
            field=f"service.api_key_env ({name})",
            constraint=f"one key or several divided by commas, each of at least {SHORTEST} ASCII characters",
            fix=f"export {name}, or set service.api_key_env to null",
        )
    return Keys(keys)


def is_loopback(host: str | None) -> bool:
    """Whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
