"""Who listens to an event: what the workers announced, as a sender reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from upnext_django.broker.clients import Clients
from upnext_django.broker.keys import NamespaceKeys

__all__ = ["Handlers"]

#: A handler that a worker announces is sent to at the latest after this time.
_FRESH_S = 2.0
#: Event names come from code; a program that makes them up must not fill the memory.
_MOST_KEPT = 1024
_DOING = "looking for an event's handlers; nothing was queued"


class Handlers:
    """The registered handlers of events, each event's kept for 2 s; an event without any is asked again."""

    def __init__(self, clients: Clients, names: NamespaceKeys) -> None:
        self._clients = clients
        self._names = names
        self._kept: dict[str, tuple[float, Mapping[str, bytes]]] = {}

    async def of(self, event: str) -> Mapping[str, bytes]:
        """Return function -> definition (JSON) of every handler that workers announced."""
        known = self._fresh(event)
        if known is None:
            link = self._clients.current()
            known = self._keep(
                event, await link.execute([b"HGETALL", self._names.handlers(event)], doing=_DOING)
            )
        return known

    def of_sync(self, event: str) -> Mapping[str, bytes]:
        """See of()."""
        known = self._fresh(event)
        if known is None:
            with self._clients.sync() as link:
                known = self._keep(
                    event, link.execute([b"HGETALL", self._names.handlers(event)], doing=_DOING)
                )
        return known

    def last(self, event: str) -> Mapping[str, bytes] | None:
        """Return what was last read, however long ago; None if nothing was, or there was no handler."""
        return self._kept.get(event, (0.0, None))[1]

    def _fresh(self, event: str) -> Mapping[str, bytes] | None:
        read_s, known = self._kept.get(event, (0.0, None))
        return known if time.monotonic() - read_s < _FRESH_S else None

    def _keep(self, event: str, flat: list[Any]) -> Mapping[str, bytes]:
        # A value is "ms definition"; the time is for announce.lua.
        known = {
            function.decode(): value.partition(b" ")[2]
            for function, value in zip(flat[::2], flat[1::2], strict=True)
        }
        if known:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[event] = time.monotonic(), known
        return known
