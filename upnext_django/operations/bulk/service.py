"""The thread of a worker that goes through actions on very many rows."""

from __future__ import annotations

from typing import Final

from django.db import connections

from upnext_django.broker.broker import Broker
from upnext_django.broker.lease import Lease
from upnext_django.operations.bulk.begin import LEASE
from upnext_django.operations.bulk.run import open_actions, run_chunk
from upnext_django.standby import StandbyService

__all__ = ["BulkService"]

_LOOK_S: Final = 1.0


class BulkService(StandbyService):
    """Does a chunk of each open action in turn, so that a small one does not wait for a big one.

    Of all workers of a namespace one is active, by a lease in Redis. Workers that run in bursts leave it to
    others.
    """

    name = "bulk"

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._lease = Lease(broker.clients, broker.names.turn(LEASE))

    def take_lease(self, owner: str, ttl_ms: int) -> bool:
        return self._lease.take(owner, ttl_ms)

    def drop_lease(self, owner: str) -> None:
        self._lease.drop(owner)

    def work(self) -> None:
        actions = open_actions()
        for pk in actions:
            if self.is_stopping or not self.is_active():
                return
            run_chunk(pk)
        # With DEBUG Django keeps the text of every statement, and this is a thread without requests.
        for connection in connections.all(initialized_only=True):
            connection.queries_log.clear()
        if not actions and not self.is_drain_wanted:
            self.wait(_LOOK_S)

    def is_drained(self) -> bool:
        return not open_actions()

    def forget(self) -> None:
        """There is nothing in hand: all of it is in the rows."""
