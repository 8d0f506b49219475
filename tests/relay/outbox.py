"""An outbox for the relay's tests: rows into it, the relay beside it, what came to Redis of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from upnext_django.broker.broker import Broker
from upnext_django.connection import get_broker, label_of
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.models import OutboxEntry
from upnext_django.outbox import entries
from upnext_django.relay.database import DatabaseRelay
from upnext_django.relay.service import RelayService

__all__ = ["FUNCTION", "QUEUE", "Outbox", "new_job", "relaying"]

QUEUE = "mail"
FUNCTION = "shop.tasks.send"


def new_job(*, queue: str = QUEUE, function: str = FUNCTION, **fields: Any) -> NewJob:
    envelope = msgspec.json.encode(Envelope(function=function, key=fields.get("key")))
    return NewJob(id=new_job_id(queue), queue=queue, function=function, envelope=envelope, **fields)


@contextmanager
def relaying(broker: Broker | None = None) -> Iterator[RelayService]:
    """Run the relay as a worker does; it must end in time when the context is left."""
    service = RelayService(broker or get_broker())
    service.start()
    try:
        yield service
    finally:
        service.stop()
        assert service.join(20)


class Outbox:
    """The outbox of the database ``using`` and the Redis of the settings."""

    def __init__(self, using: str) -> None:
        self.using = using

    @property
    def broker(self) -> Broker:
        return get_broker()

    def put(self, *jobs: NewJob) -> list[str]:
        """Write rows, as a process does that then dies; returns the ids."""
        entries.write(jobs, redis=label_of(self.broker), using=self.using)
        return [job.id for job in jobs]

    def put_many(self, count: int, **fields: Any) -> list[str]:
        return self.put(*(new_job(**fields) for _ in range(count)))

    def relay(self) -> DatabaseRelay:
        """Return the relay of this database alone, to be moved by hand."""
        return DatabaseRelay(self.broker, self.using)

    def left(self) -> list[str]:
        """Return the ids of the rows, in their order."""
        return list(self.rows().order_by("id").values_list("job_id", flat=True))

    def rows(self) -> Any:
        return OutboxEntry.objects.using(self.using)

    def arrived(self, queue: str = QUEUE, function: str = FUNCTION) -> list[str]:
        """Return the ids of a function's jobs in the order in which workers will take them."""
        stream = f"{self.broker.keys(queue).prefix}stream:{function}:1"
        return [fields[1].decode() for _, fields in self.run(b"XRANGE", stream, b"-", b"+")]

    def forget(self, ids: Sequence[str], queue: str = QUEUE) -> None:
        """Have the keys of jobs expire."""
        self.run(b"DEL", *(self.broker.keys(queue).job(job_id) for job_id in ids))

    def run(self, *command: bytes | str | int) -> Any:
        with self.broker.clients.sync() as link:
            return link.execute(command)
