"""Pause and resume a function or a queue. See pause.lua."""

from __future__ import annotations

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["call"]

SCRIPT = Script("pause")


def call(keys: QueueKeys, function: str | None, *, paused: bool) -> Call[bool]:
    """Pause or resume ``function`` in this queue, None for the whole queue; True if that changed it."""
    return Call(SCRIPT, keys.prefix, [function or "", int(paused)], bool)
