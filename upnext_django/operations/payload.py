"""The payload of a job that is to run again: from Redis, or from the history once it has left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from upnext_django.core.ids import child_job_id, new_job_id
from upnext_django.core.job import Envelope, LiveJob, NewJob
from upnext_django.core.lanes import lane_for
from upnext_django.core.masking import Mask, hidden_values
from upnext_django.core.redaction import redact
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError, EncryptionError, UpNextError
from upnext_django.models import FunctionRecord, JobRecord
from upnext_django.operations.arguments import EncodedCall, encode_call
from upnext_django.operations.masked import hides, restored

__all__ = ["Edit", "from_history", "from_redis"]

_encode = msgspec.json.encode
_Call = tuple[list[Any], dict[str, Any]]
_CALL = msgspec.json.Decoder(tuple[list[Any], dict[str, Any]])


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator changed of a call; None keeps what there was, as a mask does where it stood."""

    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed."""
        return self.args is None and self.kwargs is None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left of the old call."""
        return self.args is not None and self.kwargs is not None


def from_redis(job: LiveJob, edit: Edit, *, using: str = "default") -> NewJob:
    """Return the job to make of one that Redis holds; raises as encode_call() does for an edited call."""
    old = job.envelope
    if edit.is_empty:
        shown = None if old.shown is msgspec.UNSET else bytes(old.shown)
        call = EncodedCall(args=bytes(old.args), sealed=old.sealed, shown=shown, cache=old.cache or "")
    elif old.sealed:
        call = _edited_sealed(job.id, old, edit, using)
    else:
        merged = _merged(edit, _CALL.decode(old.args), _seen(old.args))
        call = encode_call(old.function, *merged, using=using)
    return _new_job(job.id, job.queue, new_job_id(job.queue), old, call)


def from_history(row: JobRecord, edit: Edit, *, using: str = "default") -> NewJob:
    """Return the job to make of one that Redis holds no more, from its row.

    Its id is the same whoever asks, so that two operators cannot run it twice. Raises UpNextError if
    the row does not show all of the arguments or the edit has a mask, and as encode_call() does.
    """
    arguments = row.arguments or {}
    masked = bool(arguments.get("sealed")) or hides(arguments)
    if hides([edit.args, edit.kwargs]):
        raise UpNextError(
            f"Job {row.id} has left Redis, and with it the values that are masked. Give them, not the masks."
        )
    if hides(row.meta) or not row.function or (masked and not edit.is_whole):
        raise UpNextError(
            f"Job {row.id} has left Redis and the history shows its payload masked or not at all, so it "
            "cannot run again as it was. Give all its arguments, or submit the task anew."
        )
    args = arguments.get("args", []) if edit.args is None else edit.args
    kwargs = arguments.get("kwargs", {}) if edit.kwargs is None else edit.kwargs
    call = encode_call(row.function, args, kwargs, using=using)
    envelope = Envelope(
        function=row.function,
        function_name=row.function_name,
        kind=row.kind,
        parent_id=row.parent_id,
        root_id=row.root_id,
        max_attempts=row.max_attempts,
        priority=row.priority,
        timeout=_timeout(row.function, using),
        key=row.idempotency_key,
        schedule=row.schedule,
        meta=None if row.meta is None else {name: msgspec.Raw(_encode(row.meta[name])) for name in row.meta},
    )
    new_id = child_job_id(
        row.queue,
        first_claim_ms=round((row.completed_at or row.created_at).timestamp() * 1000),
        parent_id=row.id,
        attempt=0,
        function=row.function,
        arguments=b"replay",
        ordinal=0,
    )
    return _new_job(row.id, row.queue, new_id, envelope, call)


def _edited_sealed(job_id: str, old: Envelope, edit: Edit, using: str) -> EncodedCall:
    """Return the edited call of an encrypted one, encrypted again. What is kept is shown to nobody."""
    keeps = not edit.is_whole or hides([edit.args, edit.kwargs])
    plain: _Call = _opened(job_id, old) if keeps else ([], {})
    mask = Mask(plain if old.shown is msgspec.UNSET else hidden_values(plain, _CALL.decode(old.shown)))
    try:
        call = encode_call(old.function, *_merged(edit, plain, _seen(old.shown)), using=using)
    except ArgumentError as error:
        # It tells of a value that does not fit, which may be a kept one.
        raise ArgumentError(mask.text(str(error)), argument=error.argument) from None
    if keeps and not call.sealed:
        raise UpNextError(
            f"Job {job_id} is encrypted, and {old.function} says no more that it has sensitive arguments, so "
            "what an edit keeps of them would be stored readable. Give all arguments, or edit nothing."
        )
    return call


def _opened(job_id: str, old: Envelope) -> _Call:
    sealer = ports.sealer()
    if sealer is None:
        raise EncryptionError(
            f"Job {job_id} is encrypted and there is no key here, so a part of its arguments cannot be "
            "edited. Set UPNEXT['SECRETS_KEYS'], give all arguments, or edit nothing."
        )
    try:
        return _CALL.decode(sealer.open(msgspec.json.decode(old.args, type=str)))
    except EncryptionError as error:
        raise EncryptionError(f"The arguments of job {job_id} cannot be decrypted. {error}") from None


def _seen(args: msgspec.Raw | msgspec.UnsetType) -> _Call:
    """Return a call as the history shows it; an empty one if it shows nothing."""
    return ([], {}) if args is msgspec.UNSET else _CALL.decode(redact(bytes(args)))


def _merged(edit: Edit, plain: _Call, seen: _Call) -> _Call:
    """Return the call to run: a part that is not edited, and a mask that is left, stay what they were."""
    args = plain[0] if edit.args is None else restored(edit.args, seen[0], plain[0])
    kwargs = plain[1] if edit.kwargs is None else restored(edit.kwargs, seen[1], plain[1])
    return args, kwargs


def _new_job(old_id: str, queue: str, new_id: str, old: Envelope, call: EncodedCall) -> NewJob:
    def envelope(args: bytes, sealed: bool) -> bytes:
        return _encode(
            msgspec.structs.replace(
                old,
                args=msgspec.Raw(args),
                sealed=sealed,
                shown=msgspec.UNSET if not sealed or call.shown is None else msgspec.Raw(call.shown),
                replay_of=old_id,
                root_id=old.root_id or old_id,
                # Nobody waits for it, and nobody above it keeps a place for it.
                awaited=False,
                held=(),
                cache=call.cache or None,
            )
        )

    return NewJob(
        id=new_id,
        queue=queue,
        function=old.function,
        envelope=envelope(call.args, call.sealed),
        lane=lane_for(old.priority),
        digest=call.digest,
        cache=call.cache,
        shown=None if call.shown is None else envelope(call.shown, False),
        key=old.key,
        parent_id=old.parent_id,
    )


def _timeout(function: str, using: str) -> float | None:
    task = registry.find(function)
    if task is not None:
        return task.definition.timeout
    record = FunctionRecord.objects.using(using).filter(pk=function).first()
    timeout: float | None = None if record is None else record.definition.get("timeout")
    return timeout
