"""One thing that happened to a job, ready to be sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move

__all__ = ["Happening", "JobEvent", "Position", "make", "position_of", "text_of"]

#: Where in the feed: the two numbers of an entry's id, and the place of the move in it.
Position = tuple[int, int, int]

#: The place that stands for the whole entry.
_END: Final = 1_000_000


class Happening(msgspec.Struct, frozen=True):
    """A move as it is told; ``sent`` are its lines as a server-sent event."""

    position: Position
    job_id: str
    function: str
    root_id: str
    move: Move
    sent: bytes


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one event of the stream.

    No arguments, results or messages: who sees events may not see payloads.
    """

    job_id: str
    seq: int
    event: Move
    status: JobStatus
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    queue: str
    function: str
    root_id: str
    attempt: int | None
    worker_id: str | None
    progress: float | None
    error_type: str | None


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    """What of a move's data is told."""

    attempt: int | None = None
    worker: str | None = None
    progress: float | None = None
    error_type: str | None = None


_NOTHING: Final = _Data()
_decode = msgspec.json.Decoder(_Data).decode
_encode = msgspec.json.Encoder().encode


def make(move: JobMove, position: Position, *, queue: str, function: str, root_id: str) -> Happening:
    """Return what is told of a move."""
    data = _NOTHING
    if move.move is not Move.SUBMITTED and move.data != b"{}":
        try:
            data = _decode(move.data)
        except msgspec.DecodeError:
            data = _NOTHING  # the mirror has logged it
    told = JobEvent(
        job_id=move.job_id,
        seq=move.seq,
        event=move.move,
        status=move.status,
        at=datetime.fromtimestamp(move.at_ms / 1000, UTC),
        queue=queue,
        function=function,
        root_id=root_id,
        attempt=data.attempt or None,
        worker_id=data.worker,
        progress=data.progress,
        error_type=data.error_type,
    )
    sent = b"id: %b\nevent: %b\ndata: %b\n\n" % (
        text_of(position).encode(),
        move.move.value.encode(),
        _encode(told),
    )
    return Happening(position, move.job_id, function, root_id, move.move, sent)


def text_of(position: Position) -> str:
    """Return the position as clients see it: the id of an event, or of an entry that they had all of."""
    return "-".join(map(str, position if position[2] != _END else position[:2]))


def position_of(text: str) -> Position:
    """Return the position of an event's id, or of an entry's. Raises ValueError for a text that is none."""
    parts = text.split("-")
    if not 1 < len(parts) < 4 or not all(
        part.isascii() and part.isdecimal() and len(part) < 20 for part in parts
    ):
        raise ValueError(f"{text!r} is not the id of an event; it is like 1764210000000-0-3")
    numbers = [*map(int, parts), _END][:3]
    return numbers[0], numbers[1], numbers[2]
