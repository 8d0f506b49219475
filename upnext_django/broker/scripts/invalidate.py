"""Drop cached values. See invalidate.lua."""

from __future__ import annotations

from collections.abc import Iterable

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["call"]

SCRIPT = Script("invalidate")


def call(keys: QueueKeys, functions: Iterable[str], digest: str) -> Call[bool]:
    """Drop what ``functions`` (an identity, its aliases) keep under ``digest``; True if there was a value."""
    arguments: list[bytes | str | int] = []
    for function in functions:
        arguments += (function, digest)
    return Call(SCRIPT, keys.prefix, arguments, bool)
