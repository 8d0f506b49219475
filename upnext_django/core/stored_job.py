"""A job that waits in a database until Redis has it: NewJob as JSON, with the time of its submit."""

from __future__ import annotations

import msgspec

from upnext_django.core.ids import is_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.core.names import check_function_name, check_name
from upnext_django.exceptions import DefinitionError

__all__ = ["STORED_VERSION", "StoredJob", "Unreadable", "decode_stored", "encode_stored"]

STORED_VERSION = 1


class Unreadable(ValueError):
    """What a row of the outbox holds is no job that could be sent."""


class StoredJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A NewJob and when it was submitted, in ms since 1970 by the submitter's clock.

    The fields are those of NewJob; the envelopes stand in the JSON as they are. Delay and expiry
    count from the submit, whenever the job leaves: see at().
    """

    v: int
    submitted_ms: int
    id: str
    queue: str
    function: str
    envelope: msgspec.Raw
    lane: int = 1
    digest: str = ""
    cache: str = ""
    shown: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    delay_ms: int | None = None
    at_ms: int | None = None
    expires_ms: int | None = None
    key: str | None = None
    parent_id: str | None = None
    reply: str | None = None

    @property
    def due_ms(self) -> int:
        """When it may run."""
        if self.delay_ms is not None:
            return self.submitted_ms + self.delay_ms
        return self.submitted_ms if self.at_ms is None else max(self.at_ms, self.submitted_ms)

    def at(self, now_ms: int) -> NewJob:
        """Return the job as it is sent at ``now_ms``.

        A delay is shorter by what has passed since the submit; the absolute time would be off by the
        difference between two machines' clocks. Of an expiry is left what is left of it since the job
        could run, which is less than nothing if it ran out here: Redis then ends the job as expired.
        """
        passed_ms = max(0, now_ms - self.submitted_ms)
        late_ms = max(0, now_ms - self.due_ms)
        return NewJob(
            id=self.id,
            queue=self.queue,
            function=self.function,
            envelope=bytes(self.envelope),
            lane=self.lane,
            digest=self.digest,
            cache=self.cache,
            shown=None if self.shown is msgspec.UNSET else bytes(self.shown),
            delay_ms=None if self.delay_ms is None else max(0, self.delay_ms - passed_ms),
            at_ms=self.at_ms,
            expires_ms=None if self.expires_ms is None else self.expires_ms - late_ms,
            key=self.key,
            parent_id=self.parent_id,
            reply=self.reply,
        )


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(StoredJob)
_envelope_decoder = msgspec.json.Decoder(Envelope)


def encode_stored(job: NewJob, *, submitted_ms: int) -> tuple[StoredJob, bytes]:
    """Return ``job`` with the time of its submit, and the JSON of that."""
    stored = StoredJob(
        v=STORED_VERSION,
        submitted_ms=submitted_ms,
        id=job.id,
        queue=job.queue,
        function=job.function,
        envelope=msgspec.Raw(job.envelope),
        lane=job.lane,
        digest=job.digest,
        cache=job.cache,
        shown=msgspec.UNSET if job.shown is None else msgspec.Raw(job.shown),
        delay_ms=job.delay_ms,
        at_ms=job.at_ms,
        expires_ms=job.expires_ms,
        key=job.key,
        parent_id=job.parent_id,
        reply=job.reply,
    )
    return stored, _encode(stored)


def decode_stored(item: bytes) -> StoredJob:
    """Return the job of ``item``. Raises Unreadable for what no encode_stored() of ours has written.

    It is strict because a script that stops half way through a batch would keep what it wrote before.
    """
    try:
        stored = _decoder.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"It is not the JSON of a job: {error}") from error
    if stored.v != STORED_VERSION:
        raise Unreadable(
            f"Its version is {stored.v} and this process reads {STORED_VERSION}; a newer upnext_django wrote "
            "it, so let one of those relay it."
        )
    if not is_job_id(stored.id) or stored.lane not in (0, 1, 2):
        raise Unreadable(f"Its id {stored.id!r} or its lane {stored.lane} is none.")
    try:
        check_name("queue", stored.queue)
        check_function_name(stored.function)
        for envelope in (stored.envelope, stored.shown):
            if envelope is not msgspec.UNSET:
                _envelope_decoder.decode(envelope)
    except (DefinitionError, msgspec.DecodeError) as error:
        raise Unreadable(f"A part of it is no part of a job: {error}") from error
    return stored
