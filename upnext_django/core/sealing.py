"""Encryption with the keys of ``UPNEXT["SECRETS_KEYS"]``: the only module that knows cryptography.

A key is what Fernet takes: 32 bytes in URL-safe base64. Nothing is encrypted with it as it is: each use
has a key derived from it, so that what was encrypted for one is never taken for another.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING

from upnext_django.exceptions import EncryptionError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

__all__ = ["Sealer", "Use", "is_installed", "is_key", "sealer_for"]

_KEY_BYTES = 32


class Use(Enum):
    """What is encrypted. The values are part of what is stored: changing one loses it."""

    ARGUMENTS = b"arguments"
    SECRETS = b"secrets"


def is_key(text: str) -> bool:
    """Return whether ``text`` is a Fernet key."""
    try:
        return len(urlsafe_b64decode(text.encode("ascii"))) == _KEY_BYTES
    except (binascii.Error, UnicodeEncodeError):
        return False


def is_installed() -> bool:
    """Return whether the extra ``secrets`` is installed, without importing it."""
    return find_spec("cryptography") is not None


@lru_cache(maxsize=16)
def sealer_for(keys: tuple[str, ...], use: Use) -> Sealer | None:
    """Return what encrypts with the first of ``keys`` and decrypts with any; None without keys.

    Raises EncryptionError if cryptography is not installed.
    """
    return Sealer(keys, use) if keys else None


class Sealer:
    """Encrypts for one use. ``keys`` are Fernet keys, the newest first, at least one."""

    def __init__(self, keys: Sequence[str], use: Use) -> None:
        try:
            from cryptography.fernet import Fernet, InvalidToken, MultiFernet
        except ImportError:
            raise EncryptionError(
                "UPNEXT['SECRETS_KEYS'] is set, but the package that encrypts is missing. Install it with: "
                "pip install 'upnext-django[secrets]'"
            ) from None
        derived = [_derived(key, use.value) for key in keys]
        self._invalid = InvalidToken
        self._first: Fernet = Fernet(derived[0])
        self._all = MultiFernet([Fernet(key) for key in derived])
        self._digest_key = urlsafe_b64decode(_derived(keys[0], use.value + b" digest"))

    def seal(self, plain: bytes) -> str:
        """Return ``plain`` encrypted with the first key; another text each time."""
        return self._all.encrypt(plain).decode()

    def open(self, sealed: str) -> bytes:
        """Return what seal() was given. Raises EncryptionError if none of the keys opens it."""
        try:
            return self._all.decrypt(sealed)
        except (self._invalid, ValueError):  # ValueError: not even ASCII
            raise EncryptionError(
                "It was encrypted with a key that is not in UPNEXT['SECRETS_KEYS'], or is damaged. Put the "
                "old key back at the end of the list."
            ) from None

    def resealed(self, sealed: str) -> str | None:
        """Return the same thing encrypted with the first key, None if it is. Raises as open() does."""
        try:
            self._first.decrypt(sealed)
        except (self._invalid, ValueError):  # ValueError: not even ASCII
            return self.seal(self.open(sealed))
        return None

    def digest(self, plain: bytes) -> bytes:
        """Return 32 bytes that stand for ``plain`` while the first key is the same.

        Without the key nobody can try values until one fits.
        """
        return blake2b(plain, key=self._digest_key, digest_size=32).digest()


def _derived(key: str, use: bytes) -> bytes:
    """Return the Fernet key for one use of a Fernet key."""
    return urlsafe_b64encode(blake2b(use, key=urlsafe_b64decode(key), digest_size=_KEY_BYTES).digest())
