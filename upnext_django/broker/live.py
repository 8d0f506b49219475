"""A job's hash as a value."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from upnext_django.core.job import Envelope, LiveJob, SettleData
from upnext_django.core.lifecycle import JobStatus

__all__ = ["parse"]

_ENVELOPE = msgspec.json.Decoder(Envelope)
_SETTLE = msgspec.json.Decoder(SettleData)
#: A duplicate has no envelope of its own; its winner's is what counts.
_NOTHING = Envelope(function="")


def parse(job_id: str, queue: str, flat: Sequence[bytes]) -> LiveJob:
    """Read the reply of HGETALL."""
    fields = dict(zip((name.decode() for name in flat[::2]), flat[1::2], strict=True))

    def number(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    def text(name: str) -> str | None:
        return fields[name].decode() if name in fields else None

    duplicate_of = text("duplicate_of")
    return LiveJob(
        id=job_id,
        queue=queue,
        status=JobStatus.CANCELLED if duplicate_of else JobStatus(fields["state"].decode()),
        envelope=_ENVELOPE.decode(fields["env"]) if "env" in fields else _NOTHING,
        attempts=number("attempts") or 0,
        crashes=number("crashes") or 0,
        handbacks=number("handbacks") or 0,
        seq=number("seq") or 0,
        created_ms=number("created") or 0,
        run_at_ms=number("run_at"),
        started_ms=number("started"),
        completed_ms=number("completed"),
        worker_id=text("worker"),
        progress=float(fields["progress"]) if "progress" in fields else None,
        progress_message=text("message"),
        checkpoint=fields.get("checkpoint"),
        ending=_SETTLE.decode(fields["ending"]) if "ending" in fields else None,
        duplicate_of=duplicate_of,
        cancel_asked="cancel" in fields,
        token=number("token") or 0,
    )
