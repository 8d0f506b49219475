"""Schedules: add, change, pause, resume, delete them and run them now.

The row is committed first, then Redis is told: from then on it refuses what workers that have not read the
row yet would make of the old one. With Redis away the row counts all the same, within a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone as django_timezone

from upnext_django import conf
from upnext_django.broker.scripts.revise import Revision
from upnext_django.connection import get_broker
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.declare import ports
from upnext_django.declare.options import NO_OVERRIDES, Overrides
from upnext_django.declare.registry import registry
from upnext_django.declare.submission import Submission
from upnext_django.exceptions import (
    DefinitionError,
    InvalidTransition,
    RedisUnavailable,
    ScheduleNotFound,
    UnknownTask,
)
from upnext_django.models import Schedule
from upnext_django.models.known import known_definition, typed_call
from upnext_django.operations import audit
from upnext_django.operations.once import ANY_TURN, Turn
from upnext_django.operations.timetable import declared_crons
from upnext_django.schedules.definitions import definition_for

__all__ = ["ScheduleFields", "add", "change", "check", "delete", "get", "pause", "resume", "run_now", "save"]

logger = logging.getLogger("upnext.operations")

#: A change of one of them begins the schedule anew: nothing that it would have run before is made up for.
_WHEN = ("expression", "timezone", "starts_at")


class ScheduleFields(TypedDict, total=False):
    """What can be given to add() and change().

    ``timezone`` "" is the project's own, ``queue`` "" and ``priority`` None are the function's.
    ``args`` and ``kwargs`` are plain JSON. The others mean what they mean in ``@worker.cron``; no run is
    before ``starts_at`` or after ``ends_at``.
    """

    name: str
    function: str
    expression: str
    timezone: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str
    missed_run_policy: MissedRunPolicy | str
    max_catch_up_seconds: float | None
    priority: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    paused: bool


def get(name: str) -> Schedule:
    """Return the row of that name. Raises ScheduleNotFound."""
    row = Schedule.objects.using(conf.get().database).filter(name=name).first()
    if row is None:
        raise ScheduleNotFound(name)
    return row


def add(*, by: object = None, allow_unknown: bool = False, **fields: Unpack[ScheduleFields]) -> Schedule:
    """Add a schedule; ``name``, ``function`` and ``expression`` are required.

    ``by`` is who asked. Raises DefinitionError for what makes no sense or a name that is taken, and
    UnknownTask for a function that neither this process nor a worker knows, unless ``allow_unknown``: its
    jobs wait for a worker that does.
    """
    _refuse_unknown_fields(fields)
    using = conf.get().database
    row = Schedule(**_stored(fields))
    row._state.db = using
    if not allow_unknown:
        _require_known(row.function, using)
    return save(row, by=by)


def change(
    name: str,
    /,
    *,
    by: object = None,
    revision: int | None = None,
    allow_unknown: bool = False,
    **fields: Unpack[ScheduleFields],
) -> Schedule:
    """Change fields of a schedule, its name among them; the others stay.

    With ``revision``, that of the row that the operator saw, nobody else's change in between is
    overwritten: InvalidTransition. Raises ScheduleNotFound, and as add() does.
    """
    _refuse_unknown_fields(fields)
    using = conf.get().database
    with transaction.atomic(using=using):
        row = _locked(name)
        if row.declared:
            raise DefinitionError(
                f"{name} is declared in code, where it is changed; here it can be paused, resumed and run."
            )
        if revision is not None and revision != row.revision:
            raise InvalidTransition(name, f"changed by {row.updated_by or 'somebody'} meanwhile", "changed")
        for field, value in _stored(fields).items():
            setattr(row, field, value)
        if "function" in fields and not allow_unknown:
            _require_known(row.function, using)
        return save(row, by=by)


def save(row: Schedule, *, by: object = None) -> Schedule:
    """Check a row, write it and tell the workers on commit; what add() and change() do at their end.

    Raises DefinitionError with all that makes no sense.
    """
    using = row._state.db or conf.get().database
    with transaction.atomic(using=using):
        old = None if row.pk is None else Schedule.objects.using(using).filter(pk=row.pk).first()
        try:
            row.full_clean()
        except ValidationError as error:
            raise DefinitionError(f"Schedule {row.name!r}: {_sentence(error)}") from error
        if _has_nul([row.name, row.function, row.args, row.kwargs]):
            raise DefinitionError(f"Schedule {row.name!r} has a NUL character, which databases cannot keep.")
        check(row)
        if old is not None and (
            any(getattr(old, field) != getattr(row, field) for field in _WHEN)
            or (old.paused and not row.paused)
        ):
            row.begins_at = django_timezone.now()
        _write(row, by, old)
    _note(by, "added" if old is None else "changed", row.name, row.pk)
    return row


def check(row: Schedule) -> None:
    """Refuse what a row by itself cannot see: a name that code has, a function that runs on another Redis.

    Raises DefinitionError.
    """
    if not row.declared and row.name in declared_crons():
        raise DefinitionError(f"{row.name!r} is the name of a cron declared in code; choose another one.")
    if _url_of(row.function) not in (None, conf.get().redis_url):
        raise DefinitionError(
            f"{row.function} runs on a Worker with a redis_url of its own, and schedules make their jobs in "
            "the project's Redis. Declare it as a cron of that Worker."
        )


def pause(name: str, *, by: object = None) -> bool:
    """Let a schedule make no jobs until it is resumed; True unless it was paused already.

    ``name`` is a row's, or the identity of a cron declared in code. Jobs that were made stay. Raises
    ScheduleNotFound.
    """
    return _switch(name, True, by)


def resume(name: str, *, by: object = None) -> bool:
    """Let a schedule make jobs again; True if it was paused. Runs of the pause are not made up for."""
    return _switch(name, False, by)


def delete(name: str, *, by: object = None) -> None:
    """Delete a schedule; the jobs that it made stay.

    Raises ScheduleNotFound, and DefinitionError for a cron declared in code.
    """
    using = conf.get().database
    with transaction.atomic(using=using):
        if name in declared_crons():
            raise DefinitionError(f"{name} is declared in code and deleted there; here it can be paused.")
        row = _locked(name)
        key = row.pk
        revision = Revision(key=row.key, number=_next_revision(row), gone=True)
        queues = _queues(row)
        row.delete(using=using)
        transaction.on_commit(lambda: _tell(revision, queues), using=using)
    _note(by, "deleted", name, key)


def run_now(name: str, *, by: object = None, turn: Turn = ANY_TURN) -> str:
    """Submit the job of a schedule now, paused or not, and return its id; no tick is used up by it.

    Inside ``transaction.atomic()`` it leaves on commit. ``turn`` makes asking twice safe.

    Raises ScheduleNotFound, TypeError or
    ArgumentError where the function does not take the arguments any more, and RedisUnavailable.
    """
    cron = declared_crons().get(name)
    key: object = name
    if cron is not None:
        job = Submission(cron, NO_OVERRIDES, schedule=name).job((), {})
        broker = get_broker(_url_of(name))
    else:
        row = get(name)
        key = row.pk
        broker = get_broker()
        definition = definition_for(row.function, row.queue, broker.functions(), conf.get())
        args, kwargs = typed_call(definition, row.args, row.kwargs)
        job = Submission(definition, Overrides(priority=row.priority), schedule=name).job(args, kwargs)
    job = turn.named(job)
    ports.sender().send(broker, [job], using=None, on_commit=True)
    _note(by, f"run as job {job.id}", name, key)
    return job.id


def _url_of(function: str) -> str | None:
    task = registry.find(function)
    return None if task is None else task.worker.redis_url


def _switch(name: str, paused: bool, by: object) -> bool:
    using = conf.get().database
    with transaction.atomic(using=using):
        if name in declared_crons():
            row, _ = Schedule.objects.using(using).get_or_create(
                name=name, defaults={"function": name, "declared": True}
            )
        row = _locked(name)
        if row.paused == paused:
            return False
        row.paused = paused
        if not paused:
            row.begins_at = django_timezone.now()
        _write(row, by, row)
    _note(by, "paused" if paused else "resumed", name, row.pk)
    return True


def _locked(name: str) -> Schedule:
    using = conf.get().database
    row = Schedule.objects.using(using).select_for_update().filter(name=name).first()
    if row is None:
        raise ScheduleNotFound(name)
    return row


def _write(row: Schedule, by: object, old: Schedule | None) -> None:
    using = row._state.db or conf.get().database
    # A new row begins in the queue of its jobs and nowhere else.
    queues = {row.queue or _own_queue(row)} if old is None else _queues(row) | _queues(old)
    row.revision = _next_revision(row)
    row.updated_by = "" if by is None else str(by)[:150]
    try:
        with transaction.atomic(using=using):
            row.save(using=using)
    except IntegrityError as error:
        # Somebody else was quicker than the check.
        raise DefinitionError(
            f"There is a schedule named {row.name!r} already; choose another name."
        ) from error
    revision = Revision(
        key=row.key,
        number=row.revision,
        # Of a cron in code, workers that read no rows make ticks too.
        paused=row.declared and row.paused,
        since_ms=int(row.begins_at.timestamp() * 1000),
        begins=old is None,
    )
    transaction.on_commit(lambda: _tell(revision, queues), using=using)


def _tell(revision: Revision, queues: set[str]) -> None:
    try:
        broker = get_broker()
        broker.schedules.revise_sync(revision, queues=queues)
        broker.schedules.bump_sync()
    except (RedisUnavailable, ImproperlyConfigured) as error:
        logger.warning("Workers hear of the change within a minute after Redis is back: %s", error)


def _next_revision(row: Schedule) -> int:
    # By the clock, so that rows of a database that begins anew are newer than what Redis remembers.
    return max(row.revision + 1, time.time_ns() // 1_000_000)


def _queues(row: Schedule) -> set[str]:
    own = _own_queue(row)
    return {row.queue or own, own}


def _own_queue(row: Schedule) -> str:
    definition = known_definition(row.function, using=row._state.db or conf.get().database)
    return conf.get().default_queue if definition is None else definition.queue


def _has_nul(value: Any) -> bool:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and "\x00" in one:
            return True
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            left += one
    return False


def _refuse_unknown_fields(fields: Mapping[str, Any]) -> None:
    unknown = fields.keys() - ScheduleFields.__annotations__.keys()
    if unknown:
        known = ", ".join(ScheduleFields.__annotations__)
        raise TypeError(f"A schedule has no {', '.join(sorted(unknown))}; its fields are {known}.")


def _require_known(function: str, using: str) -> None:
    if known_definition(function, using=using) is not None:
        return
    try:
        if function in get_broker().functions():
            return
    except (RedisUnavailable, ImproperlyConfigured):
        logger.info("Redis is away, so functions that only it knows count as unknown.")
    raise UnknownTask(_unknown_sentence(function))


def _unknown_sentence(function: str) -> str:
    near = get_close_matches(function, [task.name for task in registry.tasks], n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return (
        f"No task {function!r} in this process or in a worker's registry; {hint}A function is named by its "
        "module and name, like 'shop.tasks.send'. allow_unknown=True (--allow-unknown) takes it as it is."
    )


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as the columns hold them."""
    stored = dict(fields)
    if isinstance(stored.get("args"), tuple):
        stored["args"] = list(stored["args"])
    if isinstance(stored.get("missed_run_policy"), MissedRunPolicy):
        stored["missed_run_policy"] = stored["missed_run_policy"].value
    return stored


def _sentence(error: ValidationError) -> str:
    return " ".join(
        message if message.startswith(field) else f"{field}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    )


def _note(by: object, done: str, name: str, key: object) -> None:
    audit.note(by, done, model=Schedule, objects={str(key): name})
