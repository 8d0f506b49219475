"""A short name for the set of functions that a worker knows."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["capability_of"]


def capability_of(functions: Iterable[str]) -> str:
    """Return 16 hex characters that are the same for the same set of identities, in any order.

    Workers of equal code share a capability, and with it one bell.
    """
    text = "\n".join(sorted(set(functions)))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
