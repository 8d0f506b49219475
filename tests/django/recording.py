"""A broker that keeps what it is asked to send: the other side of the sender's port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from upnext_django.core.job import NewJob, SubmitAnswer, SubmitReply
from upnext_django.declare.ports import Broker, Delivery
from upnext_django.transactions import TransactionSender

ACCEPTED = SubmitReply(SubmitAnswer.ACCEPTED)


class RecordingBroker:
    """``writes`` has the job ids of each accepted call, ``asked`` counts all; ``failure`` is raised."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.writes: list[list[str]] = []
        self.failure = failure
        self.asked = 0
        self.url_masked = "redis://recording"

    def submit_sync(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        self.writes.append([job.id for job in jobs])
        return [ACCEPTED] * len(jobs)

    @property
    def sent(self) -> list[str]:
        return [job_id for write in self.writes for job_id in write]


def job(job_id: str, **fields: Any) -> NewJob:
    return NewJob(id=job_id, queue="default", function="shop.tasks.charge", envelope=b"{}", **fields)


class Sending:
    """What test cases of the sender share: one sender, one broker, short calls."""

    def setUp(self) -> None:
        self.broker = RecordingBroker()
        self.sender = TransactionSender()

    def submit(
        self, *ids: str, using: str | None = None, on_commit: bool = True, reply: str | None = None
    ) -> Delivery:
        broker = cast(Broker, self.broker)  # the sender asks nothing else of it
        jobs = [job(one, reply=reply) for one in ids]
        return self.sender.send(broker, jobs, using=using, on_commit=on_commit)
