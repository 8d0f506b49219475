"""What a worker and a process of its pool say to each other: JSON over one pipe, both ways.

Nothing is pickled here: arguments, results and errors are the very bytes that go to and come from Redis.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.job import Envelope
from upnext_django.core.outcome import Outcome

__all__ = [
    "Close",
    "Done",
    "End",
    "Ended",
    "Failed",
    "FromChild",
    "Granted",
    "Hooks",
    "JobFacts",
    "Log",
    "News",
    "Ready",
    "Refused",
    "Resume",
    "Run",
    "Suspend",
    "ToChild",
    "decode_from_child",
    "decode_to_child",
    "encode",
]


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as its function may see it. ``function`` is looked up in the child's own registry."""

    id: str
    queue: str
    token: int
    attempt: int
    first_claim_ms: int
    started_ms: int
    lane: int
    digest: str
    worker_id: str
    envelope: Envelope
    checkpoint: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


# -- to the child


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Run an attempt; answered by Ended."""

    job: JobFacts


class Hooks(msgspec.Struct, frozen=True, tag="hooks"):
    """Call the hooks of an attempt that ended so, its process killed; answered by Done."""

    job: JobFacts
    outcome: Outcome


class End(msgspec.Struct, frozen=True, tag="end"):
    """The running attempt is to end; ``why`` is one of ``runtime.attempt.End``."""

    why: str


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """Answers Suspend and Resume."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Answers a Suspend that would be one too many; ``text`` is for the function that wanted to wait."""

    text: str


class Close(msgspec.Struct, frozen=True, tag="close"):
    """There is no more work: end."""


# -- from the child


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The functions are imported."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The process cannot work; ``text`` is the traceback."""

    text: str


class Log(msgspec.Struct, frozen=True, array_like=True):
    """One line of a job's log; ``data`` is an object, ``null`` for none."""

    at_ms: int
    level: str
    message: str
    data: msgspec.Raw


class News(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="news"):
    """What the attempt ``id`` says of itself; only what is new."""

    id: str
    progress: tuple[float, str | None] | None = None
    checkpoint: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logs: list[Log] = msgspec.field(default_factory=list)
    artifacts: list[ArtifactFacts] = msgspec.field(default_factory=list)


class Suspend(msgspec.Struct, frozen=True, tag="suspend"):
    """The function waits for a job: its slot and its place in the pool are free meanwhile."""


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """The wait is over; the answer comes when there is a slot."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How the attempt ended; None where only the worker knows. ``hooks``: they run now, then comes Done."""

    outcome: Outcome | None
    hooks: bool = False


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The hooks have run."""


ToChild: TypeAlias = Run | Hooks | End | Granted | Refused | Close
FromChild: TypeAlias = Ready | Failed | News | Suspend | Resume | Ended | Done

encode = msgspec.json.Encoder().encode
decode_to_child = msgspec.json.Decoder(ToChild).decode
decode_from_child = msgspec.json.Decoder(FromChild).decode
