"""Run a function by hand: as its task submits it, or from what a worker registered of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.core.lanes import lane_for
from upnext_django.declare.options import NO_OVERRIDES, Overrides, TaskOptions
from upnext_django.declare.registry import registry
from upnext_django.declare.submission import Submission
from upnext_django.declare.task import TaskHandle
from upnext_django.exceptions import UnknownQueue
from upnext_django.models import FunctionRecord
from upnext_django.operations import audit
from upnext_django.operations.arguments import encode_call
from upnext_django.operations.once import ANY_TURN, Turn
from upnext_django.operations.parameters import facts_of

__all__ = ["queues_for", "run_now"]

#: What is counted in one queue only, so that a job cannot go to another.
_OF_ONE_QUEUE = ("rate_limit", "max_concurrency", "cache_key")


def run_now(
    function: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    by: object = None,
    delay: float | None = None,
    priority: int | None = None,
    queue: str | None = None,
    turn: Turn = ANY_TURN,
) -> str:
    """Submit a job of ``function`` (identity or alias) at once and return its id.

    Values are JSON's types. ``delay`` seconds, ``priority`` -100..100 and ``queue`` replace what the
    function says. ``by`` is who asked, for the log, ``turn`` what makes asking twice safe.

    Raises TypeError or ArgumentError for a call that does
    not fit, ValueError or UnknownQueue for an option, UnknownTask, and UpNextError for what only a process
    that has the task can do.
    """
    given = TaskOptions()
    if delay is not None:
        given["delay"] = delay
    if priority is not None:
        given["priority"] = priority
    if queue is not None:
        given["queue"] = queue
    overrides = NO_OVERRIDES.merged(given)
    task = registry.find(function)
    if task is not None:
        job_id = _by_task(task, args, kwargs or {}, overrides, turn)
    else:
        job_id = _by_record(function, args, kwargs or {}, overrides, turn)
    identity = function if task is None else task.name
    audit.note(by, f"run by hand as job {job_id}", model=FunctionRecord, objects={identity: identity})
    return job_id


def queues_for(facts: Mapping[str, Any]) -> list[str]:
    """Return the queues that a job of a function may be sent to, its own first; ``facts`` are its options."""
    own = str(facts.get("queue") or conf.get().default_queue)
    if any(facts.get(option) for option in _OF_ONE_QUEUE):
        return [own]
    settings = conf.get()
    return [own, *sorted({*registry.queues(), settings.default_queue, *settings.queues} - {own})]


def _by_task(
    task: TaskHandle[Any, Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    overrides: Overrides,
    turn: Turn,
) -> str:
    # A submit does not look at the values' types, and the worker would refuse them much later.
    encode_call(task.name, args, kwargs, using=conf.get().database)
    job = turn.named(Submission(task.definition, overrides).job(args, kwargs))
    get_broker(task.worker.redis_url).submit_sync([job])
    return job.id


def _by_record(
    function: str, args: Sequence[Any], kwargs: Mapping[str, Any], overrides: Overrides, turn: Turn
) -> str:
    using = conf.get().database
    facts = facts_of(function, using=using)
    queue = _queue(facts, overrides.queue)
    call = encode_call(function, args, kwargs, using=using)
    priority = int(facts.get("priority") or 0) if overrides.priority is None else overrides.priority
    envelope = Envelope(
        function=function,
        function_name=str(facts.get("function_name") or ""),
        args=msgspec.Raw(call.args),
        kind=str(facts.get("kind") or "task"),
        max_attempts=int(facts.get("retries") or 0) + 1,
        priority=priority,
        timeout=facts.get("timeout"),
    )
    expires = facts.get("expires")
    job = NewJob(
        id=new_job_id(queue),
        queue=queue,
        function=function,
        envelope=msgspec.json.encode(envelope),
        lane=lane_for(priority),
        delay_ms=overrides.delay_ms,
        expires_ms=None if expires is None else round(expires * 1000),
    )
    job = turn.named(job)
    get_broker().submit_sync([job])
    return job.id


def _queue(facts: Mapping[str, Any], wanted: str | None) -> str:
    known = queues_for(facts)
    if wanted is None or wanted in known:
        return wanted or known[0]
    raise UnknownQueue(f"{facts['function']} cannot be sent to {wanted!r}; it may go to {', '.join(known)}.")
