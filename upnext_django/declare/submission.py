"""One way of submitting one function: everything about its jobs but the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.environment import Environment
from upnext_django.core.ids import child_job_id, new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.core.lanes import child_lane, lane_for
from upnext_django.core.masking import hidden_values, texts_in
from upnext_django.declare import ports, surroundings
from upnext_django.declare.current import current_job
from upnext_django.declare.options import Overrides, encode_meta
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError, EncryptionError, UnknownQueue

__all__ = ["Lineage", "Submission"]

_encode = msgspec.json.Encoder().encode
#: Where the arguments go. JSON itself never has this byte: it escapes control characters.
_HOLE = b"\x00"
_CALL = msgspec.json.Decoder(tuple[list[Any], dict[str, Any]])
#: A shorter value may stand in a key by chance, as "1234" in a number of an order.
_TELLING = 8


class Lineage(NamedTuple):
    """Where a job stands in its tree; ``root_id`` None is the job itself."""

    parent_id: str | None
    root_id: str | None


class Submission:
    """Makes the jobs of one call: what is the same for all of them is decided once.

    It reads the running job and the settings when it is made, so it is good for one call, and for a later one
    if ``holds()``. ``schedule`` is the name of the one that makes the jobs, None for all others.
    Raises UnknownQueue, and ValueError for a queue that this function cannot have.
    """

    __slots__ = (
        "_at_ms", "_caches", "_delay_ms", "_environment", "_expires_ms", "_fixed", "_frames", "_limit_key",
        "_max_bytes", "_parent", "_seal", "definition", "function", "key", "lane", "lineage", "queue",
    )  # fmt: skip

    def __init__(
        self, definition: TaskDefinition, overrides: Overrides, *, schedule: str | None = None
    ) -> None:
        environment = ports.get_environment()
        parent = current_job.get()
        given = overrides.priority
        priority = definition.priority if given is None else given
        self.definition = definition
        self.function = definition.function
        self.queue = _queue_of(definition, overrides.queue, environment)
        self.key = overrides.key
        self._environment = environment
        self._parent = parent
        self._max_bytes = environment.max_payload_bytes
        if parent is None:
            self.lineage = Lineage(None, None)
            self.lane = lane_for(priority)
        else:
            self.lineage = Lineage(parent.id, parent.root_id)
            self.lane = child_lane(parent.lane, priority)
        self._delay_ms = overrides.delay_ms
        self._at_ms = overrides.at_ms
        expires = definition.expires if overrides.expires is UNSET else overrides.expires
        self._expires_ms = None if expires is None else round(expires * 1000)
        retries = definition.retries if overrides.retries is None else overrides.retries
        self._fixed: dict[str, Any] = {
            "function": self.function,
            "function_name": definition.function_name,
            "kind": definition.kind,
            "schedule": schedule,
            "parent_id": self.lineage.parent_id,
            "root_id": self.lineage.root_id,
            "max_attempts": retries + 1,
            "priority": priority,
            "timeout": definition.timeout if overrides.timeout is UNSET else overrides.timeout,
            "meta": _meta_of(environment, overrides.meta),
            "held": parent.held if parent is not None else (),
            "carries": surroundings.carried(definition, self.queue),
        }
        self._frames: dict[bool, tuple[bytes, bytes]] = {}
        self._limit_key = definition.limit_key
        self._seal: ports.Sealer | None = None
        self._caches = definition.cache_key is not None

    def holds(self) -> bool:
        """Return whether one that is made now would be the same.

        Not within a job, whose children are counted, and not where a call may have a meta of its own or
        its arguments are encrypted.
        """
        environment = self._environment
        return (
            self._parent is None
            and environment.meta is None
            and not self.definition.sensitive
            and current_job.get() is None
            and ports.get_environment() is environment
        )

    def job(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        reply: str | None = None,
        job_id: str | None = None,
    ) -> NewJob:
        """Return the job of one call. ``reply`` is the waiting client's id, ``job_id`` the caller's own.

        Raises TypeError for a wrong call, ArgumentError for what cannot be sent, and EncryptionError for
        sensitive arguments that nothing here can encrypt.
        """
        definition = self.definition
        signature = definition.signature
        signature.bind(args, kwargs)
        arguments = signature.encode(args, kwargs, max_bytes=self._max_bytes)
        # A call without arguments has no secret: a cron needs no key to make its jobs.
        if definition.sensitive and self._seal is None and (args or kwargs):
            self._seal = _seal_for(definition)
        if job_id is None:
            job_id = self._new_id(args, kwargs)
        awaited, shown = reply is not None, None
        cache = definition.cache_digest(args, kwargs) if self._caches else ""
        if self._seal is None:
            envelope = self._envelope(arguments, awaited, cache)
        else:
            masked = signature.mask(args, kwargs, definition.sensitive)
            self._refuse_key(arguments, masked)
            shown = self._envelope(masked, awaited, cache)
            envelope = self._sealed_envelope(self._seal.seal(arguments), masked, awaited, cache)
        return NewJob(
            id=job_id,
            queue=self.queue,
            function=self.function,
            envelope=envelope,
            lane=self.lane,
            digest="" if self._limit_key is None else self._digest(args, kwargs),
            cache=cache,
            shown=shown,
            delay_ms=self._delay_ms,
            at_ms=self._at_ms,
            expires_ms=self._expires_ms,
            key=self.key,
            parent_id=self.lineage.parent_id,
            reply=reply,
        )

    def _envelope(self, arguments: bytes, awaited: bool, cache: str) -> bytes:
        """Return the envelope around the JSON ``arguments``, encoded."""
        if cache:
            # It differs from call to call.
            head, tail = self._frame(awaited, cache)
            return head + arguments + tail
        frame = self._frames.get(awaited)
        if frame is None:
            frame = self._frames[awaited] = self._frame(awaited, None)
        return frame[0] + arguments + frame[1]

    def _frame(self, awaited: bool, cache: str | None) -> tuple[bytes, bytes]:
        empty = Envelope(args=msgspec.Raw(_HOLE), key=self.key, awaited=awaited, cache=cache, **self._fixed)
        head, _, tail = _encode(empty).partition(_HOLE)
        return head, tail

    def _sealed_envelope(self, sealed: str, masked: bytes, awaited: bool, cache: str) -> bytes:
        envelope = Envelope(
            args=msgspec.Raw(_encode(sealed)),
            sealed=True,
            shown=msgspec.Raw(masked),
            key=self.key,
            awaited=awaited,
            cache=cache or None,
            **self._fixed,
        )
        return _encode(envelope)

    def _refuse_key(self, arguments: bytes, masked: bytes) -> None:
        """Raise ArgumentError if the idempotency key, which is stored readable, has a sensitive value."""
        if self.key is None:
            return
        for value in texts_in(hidden_values(_CALL.decode(arguments), _CALL.decode(masked))):
            if len(value) >= _TELLING and value in self.key:
                raise ArgumentError(
                    f"The idempotency key of a job of {self.function} has the value of a sensitive argument "
                    "in it, and keys are stored readable. Take the id of a row, or nothing that is secret.",
                    argument="key",
                )

    def _digest(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return what parts this job's stream from those of other limit keys."""
        definition = self.definition
        assert definition.limit_key is not None
        text = definition.render(definition.limit_key, definition.signature.named(args, kwargs))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def _new_id(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        parent = self._parent
        if parent is None:
            return new_job_id(self.queue)
        # A parent that runs again after a crash makes the same calls; their ids lead to the same jobs.
        arguments = self.definition.signature.canonical(args, kwargs)
        if self._seal is not None:
            # Whoever sees the id could else try values until one makes the same.
            arguments = self._seal.digest(arguments)
        return child_job_id(
            self.queue,
            first_claim_ms=parent.first_claim_ms,
            parent_id=parent.id,
            attempt=parent.attempt,
            function=self.function,
            arguments=arguments,
            ordinal=parent.next_ordinal(self.function, arguments),
        )


def _queue_of(definition: TaskDefinition, queue: str | None, environment: Environment) -> str:
    if queue is None or queue == definition.queue:
        return definition.queue
    if not definition.may_change_queue:
        raise ValueError(
            f"queue={queue!r} cannot be given to {definition.function}: its limits and cache are counted in "
            f"its own queue, {definition.queue!r}. Leave queue out, or declare a second task without them."
        )
    known = registry.queues() | {environment.default_queue, *environment.queues}
    if queue not in known:
        raise UnknownQueue(
            f"No worker serves the queue {queue!r}; known are {', '.join(sorted(known))}. "
            f"Declare it with upnext.Worker({queue!r}) or list it in UPNEXT['QUEUES']."
        )
    return queue


def _meta_of(
    environment: Environment, given: Mapping[str, msgspec.Raw] | None
) -> dict[str, msgspec.Raw] | None:
    meta = {} if environment.meta is None else encode_meta(environment.meta())
    if given:
        meta.update(given)
    return meta or None


def _seal_for(definition: TaskDefinition) -> ports.Sealer:
    sealer = ports.sealer()
    if sealer is None:
        raise EncryptionError(
            f"{definition.function} has sensitive arguments ({', '.join(definition.sensitive)}) and nothing "
            "here can encrypt them, so nothing was sent. Set UPNEXT['SECRETS_KEYS'] and install "
            "upnext-django[secrets]."
        )
    return sealer
