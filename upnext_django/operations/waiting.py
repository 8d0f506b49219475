"""Why a job does not run: one reason, in words, with the way out.

It looks at Redis only when it is asked, and at the workers as they last told of themselves: what it says of
their slots may be as old as their last word, and says how old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from upnext_django import conf
from upnext_django.broker.counts import Limits
from upnext_django.broker.inspector import JobPlace
from upnext_django.broker.lines import Line
from upnext_django.connection import get_broker
from upnext_django.core.ids import created_ms
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.exceptions import JobNotFound
from upnext_django.models import OutboxEntry
from upnext_django.operations import fleet, history
from upnext_django.operations.fleet import Crew, WorkerReport
from upnext_django.outbox.lookup import find as find_entry

__all__ = ["Reason", "Scene", "Standing", "scene", "why", "why_line"]

_MOST_AHEAD = 1_000
_MOST_NAMED = 10
#: A job that nothing has heard of may still wait for its transaction; none is open for longer than this.
_LONGEST_TRANSACTION_MS = 86_400_000


class Reason(StrEnum):
    """What a job waits for, or why it waits for nothing. The values are public."""

    NOT_SENT = "not_sent"
    OUTBOX = "outbox"
    LOST = "lost"
    DUPLICATE = "duplicate"
    ENDED = "ended"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CHILDREN = "children"
    SILENT_WORKER = "silent_worker"
    DELAYED = "delayed"
    RETRY = "retry"
    QUEUE_PAUSED = "queue_paused"
    FUNCTION_PAUSED = "function_paused"
    NO_WORKER = "no_worker"
    SUSPECT = "suspect"
    CAP = "cap"
    RATE = "rate"
    BEHIND = "behind"
    SLOTS = "slots"
    STARTING = "starting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answer of why(): ``text`` is one sentence or two, ``way_out`` what can be done, "" for nothing.

    ``facts`` are the numbers and ids of the text, as JSON values; times in them are ISO 8601 in UTC.
    ``job_id`` is "" where it is said of all jobs of a line.
    """

    reason: Reason
    text: str
    way_out: str = ""
    job_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every line of a queue shares: the time of Redis, the workers, whether the queue is paused."""

    queue: str
    now_ms: int
    paused: bool
    workers: Sequence[WorkerReport]


def scene(queue: str) -> Scene:
    """Return the scene of a queue as it is now."""
    inspector = get_broker().inspector
    now_ms = inspector.now_ms()
    return Scene(
        queue=queue,
        now_ms=now_ms,
        paused=inspector.counts(queue).paused,
        workers=[one for one in fleet.workers(now_ms) if one.is_alive],
    )


def why(job_id: str) -> Standing:
    """Return why a job does not run now, or that it does or did.

    Raises JobNotFound for an id that is none, or that neither Redis nor the history knows and that is too old
    to wait for its transaction.
    """
    place = get_broker().inspector.place(job_id)
    standing = _unknown_to_redis(job_id) if place is None else _standing(place)
    return replace(standing, job_id=job_id)


def why_line(here: Scene, line: Line, limits: Limits, capabilities: set[str]) -> Standing:
    """Return why the first waiting job of a line does not start."""
    knowing = [(w, crew) for w in here.workers for crew in w.serving(here.queue, capabilities)]
    serving = [(w, crew) for w, crew in knowing if w.takes_work]
    if here.paused:
        return Standing(
            reason=Reason.QUEUE_PAUSED,
            text=f"The queue {here.queue} is paused.",
            way_out=f"manage.py upnext_resume --queue {here.queue}",
        )
    if limits.paused:
        return Standing(
            reason=Reason.FUNCTION_PAUSED,
            text=f"The function {line.function} is paused.",
            way_out=f"manage.py upnext_resume {line.function}",
        )
    if not serving:
        return _resting([w for w, _ in knowing]) if knowing else _nobody(here, line.function)
    return (
        (_alone(here, line, len({w.id for w, _ in serving})) if line.lane == "s" else None)
        or _capped(here, line, limits)
        or _rated(here, line, limits)
        or _slots(serving)
    )


def _standing(place: JobPlace) -> Standing:
    if place.duplicate_of is not None:
        return Standing(
            reason=Reason.DUPLICATE,
            text=f"Its idempotency key belonged to {place.duplicate_of}, which runs in its place.",
            facts={"winner": place.duplicate_of},
        )
    status = JobStatus(place.state)
    if status in TERMINAL:
        return _ended(str(status))
    here = scene(place.queue)
    if status is JobStatus.ACTIVE:
        return _active(here, place)
    if status is not JobStatus.QUEUED:
        return _later(here, place, status)
    inspector = get_broker().inspector
    function = place.line[0]
    line = inspector.line(place.queue, place.stream)
    if line is None:  # it was claimed, or cancelled, since it was looked at
        return _moment([])
    limits = inspector.limits(place.queue, [function])[function]
    standing = why_line(here, line, limits, inspector.knows(place.queue, [function])[function])
    if standing.reason not in (Reason.SLOTS, Reason.STARTING):
        return standing
    ahead = inspector.ahead(place.queue, line, place.entry, most=_MOST_AHEAD)
    return _behind(line, ahead, standing) if ahead else standing


def _unknown_to_redis(job_id: str) -> Standing:
    settings = conf.get()
    row = history.job(job_id, using=settings.database) if settings.history else None
    if row is not None and row.status in TERMINAL:
        return _ended(row.status)
    if row is not None:
        return Standing(
            reason=Reason.LOST,
            text=f"The history has it as {row.status}, and Redis does not have it: Redis was emptied, lost "
            "its data, or is another one than the job was sent to.",
            way_out="Look at the persistence of Redis (upnext_doctor) and submit the job again.",
            facts={"status": row.status},
        )
    entry = find_entry(job_id) if settings.outbox else None
    if entry is not None:
        return _in_the_outbox(entry)
    made_ms = created_ms(job_id)
    age_ms = None if made_ms is None else get_broker().inspector.now_ms() - made_ms
    if age_ms is None or age_ms > _LONGEST_TRANSACTION_MS:
        raise JobNotFound(job_id)
    return Standing(
        reason=Reason.NOT_SENT,
        text="Neither Redis nor the history knows it: it is sent when its transaction commits, and never if "
        "that was rolled back.",
        way_out="Wait for the commit; on_commit=False sends a job at once.",
    )


def _in_the_outbox(entry: OutboxEntry) -> Standing:
    if entry.set_aside_at is not None:
        return Standing(
            reason=Reason.OUTBOX,
            text=f"It was committed, and set aside in the outbox: {entry.error}",
            way_out="Mend the cause, then: python manage.py upnext_relay --retry",
            facts={"since": entry.created_at.isoformat()},
        )
    return Standing(
        reason=Reason.OUTBOX,
        text=f"It was committed at {entry.created_at.isoformat()} and is in the outbox: its process or the "
        "relay sends it.",
        way_out="If it stays there: is Redis up, and does a worker or upnext_relay run?",
        facts={"since": entry.created_at.isoformat()},
    )


def _ended(status: str) -> Standing:
    return Standing(reason=Reason.ENDED, text=f"It has ended: {status}.", facts={"status": status})


def _active(here: Scene, place: JobPlace) -> Standing:
    worker = next((one for one in here.workers if one.id == place.worker), None)
    since_s = (here.now_ms - (place.started_ms or here.now_ms)) / 1000
    facts: dict[str, Any] = {"worker": place.worker, "started_at": _iso(place.started_ms)}
    if worker is None:
        lease_s = conf.get().lease_s
        return Standing(
            reason=Reason.SILENT_WORKER,
            text=f"Its worker {place.worker} has said nothing for {fleet.silent_after_s():g} s or longer.",
            way_out=f"Any running worker takes the job back when its lease of {lease_s:g} s is over.",
            facts=facts,
        )
    if place.cancel_asked:
        return Standing(
            reason=Reason.CANCELLING,
            text=f"It was asked to end and still runs on {worker.id}.",
            way_out="A sync task ends where it looks at ctx.is_cancelled.",
            facts=facts,
        )
    if place.id in worker.waiting_for_children:
        children = get_broker().inspector.live_children(place.id, most=_MOST_NAMED)
        named = ", ".join(children) or "they have just ended"
        return Standing(
            reason=Reason.CHILDREN,
            text=f"It waits for its children and holds no slot: {named}.",
            way_out="Ask the same of a child." if children else "",
            facts={**facts, "children": children},
        )
    return Standing(reason=Reason.RUNNING, text=f"It runs on {worker.id} for {since_s:.1f} s.", facts=facts)


def _later(here: Scene, place: JobPlace, status: JobStatus) -> Standing:
    due_ms = place.run_at_ms or 0
    if due_ms <= here.now_ms:
        # Whoever claims in the queue puts it into its line.
        knowing = [(w, crew) for w in here.workers for crew in w.crews if place.queue in crew.capabilities]
        serving = [(w, crew) for w, crew in knowing if w.takes_work]
        if not serving and knowing:
            return _resting([w for w, _ in knowing])
        return _moment(serving) if serving else _nobody(here, place.line[0])
    due, left_s = _iso(due_ms), (due_ms - here.now_ms) / 1000
    if status is JobStatus.RETRYING:
        return Standing(
            reason=Reason.RETRY,
            text=f"Its last attempt failed; the next is at {due}, in {left_s:.1f} s.",
            facts={"run_at": due},
        )
    return Standing(
        reason=Reason.DELAYED,
        text=f"It was submitted to run at {due}, in {left_s:.1f} s.",
        facts={"run_at": due},
    )


def _nobody(here: Scene, function: str) -> Standing:
    queues = sorted({queue for worker in here.workers for queue in worker.queues})
    if not here.workers:
        text = "No worker is running."
        way_out = "Start one: manage.py upnext_worker, or upnext run service.py."
    elif here.queue not in queues:
        text = f"No running worker serves the queue {here.queue}; served are {', '.join(queues)}."
        way_out = "Start one whose Workers declare that queue, without --only and --queues that leave it out."
    else:
        text = f"No running worker knows {function} in the queue {here.queue}."
        way_out = (
            "Start a worker whose code has the function; after a rename, give the new one aliases="
            f"[{function!r}]."
        )
    return Standing(reason=Reason.NO_WORKER, text=text, way_out=way_out, facts={"workers": len(here.workers)})


def _resting(workers: Sequence[WorkerReport]) -> Standing:
    ids = sorted({worker.id for worker in workers})
    states = " or ".join(sorted({worker.state for worker in workers}))
    return Standing(
        reason=Reason.NO_WORKER,
        text=f"Those that could run it take no work, they are {states}: {', '.join(ids[:_MOST_NAMED])}.",
        way_out="Start another worker, or let a quiet one take work again.",
        facts={"workers": len(ids), "resting": ids[:_MOST_NAMED]},
    )


def _alone(here: Scene, line: Line, workers: int) -> Standing | None:
    inspector = get_broker().inspector
    lines, _ = inspector.lines(here.queue)
    tried = [one for one in lines if one.lane == "s"]
    running = inspector.running(here.queue, tried, most=_MOST_NAMED)
    if len(running) < workers:
        return None
    ids = [one.id for one in running]
    return Standing(
        reason=Reason.SUSPECT,
        text="It was there when its worker died, twice or more, so it runs only where no other such job "
        f"does; each worker runs one now: {', '.join(ids)}.",
        way_out="Wait, or cancel those.",
        facts={"running": ids},
    )


def _capped(here: Scene, line: Line, limits: Limits) -> Standing | None:
    if limits.cap is None:
        return None
    inspector = get_broker().inspector
    beside = inspector.beside(here.queue, line)
    running = sum(one.running for one in beside)
    if running < limits.cap:
        return None
    ids = [one.id for one in inspector.running(here.queue, beside, most=_MOST_NAMED)]
    more = f" and {running - len(ids)} more" if running > len(ids) else ""
    key = " for its concurrency_key" if line.digest else ""
    return Standing(
        reason=Reason.CAP,
        text=f"max_concurrency={limits.cap} of {line.function} is reached{key}, over all workers: "
        f"{', '.join(ids)}{more} run or wait for their children.",
        way_out="Wait for one of them, or raise max_concurrency.",
        facts={"cap": limits.cap, "running": running, "holders": ids},
    )


def _rated(here: Scene, line: Line, limits: Limits) -> Standing | None:
    opens_ms = get_broker().inspector.opens_ms(here.queue, line.partition, limits, here.now_ms)
    if opens_ms is None or limits.window_ms is None:
        return None
    key = " for its rate_limit_key" if line.digest else ""
    return Standing(
        reason=Reason.RATE,
        text=f"rate_limit of {line.function} is used up{key}: {limits.rate} starts in "
        f"{limits.window_ms / 1000:g} s. It opens at {_iso(opens_ms)}, in "
        f"{max(0, opens_ms - here.now_ms) / 1000:.1f} s.",
        way_out="Wait, or raise rate_limit.",
        facts={"rate": limits.rate, "window_s": limits.window_ms / 1000, "opens_at": _iso(opens_ms)},
    )


def _slots(serving: Sequence[tuple[WorkerReport, Crew]]) -> Standing:
    slots = sum(crew.slots for _, crew in serving)
    used = sum(min(crew.used, crew.slots) for _, crew in serving)
    if used < slots:
        return _moment(serving)
    oldest_s = max(worker.age_s for worker, _ in serving)
    return Standing(
        reason=Reason.SLOTS,
        text=f"All {slots} slots of the {_count(len(serving), 'Worker')} that know it were taken "
        f"{oldest_s:.0f} s ago.",
        way_out="Wait, start another worker, or raise its concurrency.",
        facts={"slots": slots, "used": used, "workers": [worker.id for worker, _ in serving][:_MOST_NAMED]},
    )


def _behind(line: Line, ahead: int, standing: Standing) -> Standing:
    more = " or more" if ahead >= _MOST_AHEAD else ""
    return Standing(
        reason=Reason.BEHIND,
        text=f"{ahead}{more} {'job' if ahead == 1 else 'jobs'} of {line.function} came before it. "
        f"{standing.text}",
        way_out=standing.way_out,
        facts={**standing.facts, "ahead": ahead},
    )


def _moment(serving: Sequence[tuple[WorkerReport, Crew]]) -> Standing:
    free = sum(max(0, crew.slots - crew.used) for _, crew in serving)
    seen = f" {free} slots were free {max(w.age_s for w, _ in serving):.0f} s ago." if serving else ""
    return Standing(
        reason=Reason.STARTING,
        text=f"Nothing that Redis shows stands in its way; a worker takes it at its next look.{seen}",
        way_out="If it stays like this, run manage.py upnext_doctor.",
        facts={"free": free},
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _iso(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
