"""Announce the handlers of an event. See announce.lua."""

from __future__ import annotations

from collections.abc import Mapping

from upnext_django.broker.keys import NamespaceKeys
from upnext_django.broker.script import Call, Script

__all__ = ["KEEP_MS", "call"]

SCRIPT = Script("announce")
#: How long a handler is sent to after the last worker that knows it was seen: 30 days.
KEEP_MS = 30 * 86_400_000


def call(
    names: NamespaceKeys, event: str, handlers: Mapping[str, bytes], *, keep_ms: int = KEEP_MS
) -> Call[int]:
    """Register ``handlers`` (function -> definition as JSON) of ``event``.

    Those that no worker announced for ``keep_ms`` milliseconds are forgotten; returns how many.
    """
    items: list[str | bytes] = [part for item in handlers.items() for part in item]
    return Call(SCRIPT, names.handlers(event), [keep_ms, *items], int)
