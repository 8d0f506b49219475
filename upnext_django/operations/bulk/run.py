"""One chunk of an action: planned, done and counted, so that a death in between loses and repeats nothing."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from upnext_django import conf
from upnext_django.exceptions import RedisUnavailable
from upnext_django.models import BulkAction, BulkStatus
from upnext_django.operations import audit
from upnext_django.operations.bulk import actor
from upnext_django.operations.bulk.begin import listing, told_of
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb, Doing
from upnext_django.operations.bulk.walk import next_chunk

__all__ = ["open_actions", "run_chunk"]

logger = logging.getLogger("upnext.bulk")

#: Refusals whose reasons are kept.
_REASONS = 20


def open_actions() -> list[int]:
    """Return the keys of the actions that something is to be done for, the oldest first."""
    found = BulkAction.objects.using(conf.get().database).filter(
        status__in=[BulkStatus.WAITING, BulkStatus.RUNNING]
    )
    return list(found.order_by("pk").values_list("pk", flat=True))


def run_chunk(pk: int) -> None:
    """Do the next chunk of an action, or end it.

    What goes wrong ends it as failed and is told in its row, but for Redis or the database being away:
    raises RedisUnavailable, DatabaseError or InterfaceError, and may be called again.
    """
    action = listing().filter(pk=pk).first()
    if action is None or not action.is_open:
        return
    if action.stop_asked_by is not None and action.pending is None:
        _end(action, BulkStatus.STOPPED)
        return
    try:
        _run(action)
    except (RedisUnavailable, DatabaseError, InterfaceError):
        raise
    except PermissionDenied as error:
        _end(action, BulkStatus.FAILED, str(error))
    except Exception as error:
        # The project's rule, the storage of its files: whatever it is, other actions go on.
        logger.exception("Bulk action %s ended: %s", action.pk, error)
        _end(action, BulkStatus.FAILED, f"{type(error).__name__}: {error}")


def _run(action: BulkAction) -> None:
    verb, selection = BulkVerb(action.verb), _selection(action)
    doing, by = VERBS[verb], actor.actor_of(action)
    actor.check(by, doing, selection)
    repeated = action.pending is not None
    if not repeated and not _plan(action, doing, selection, by):
        return
    assert action.pending is not None
    outcome = (doing.repeat if repeated else doing.act)(action.pending, by)
    _write(
        action,
        pending=None,
        moved_at=timezone.now(),
        done=action.done + len(outcome.done),
        refused=action.refused + len(outcome.refused),
        reasons=[*action.reasons, *outcome.refused.values()][:_REASONS],
    )


def _plan(action: BulkAction, doing: Doing, selection: Selection, by: object) -> bool:
    """Write down the next chunk. False if there is none: the action has ended, or another goes on with it."""
    matching = doing.eligible(actor.seen_by(by, action.address, selection.rows(doing.model)), selection.until)
    if action.started_at is None and not _write(action, started_at=timezone.now(), total=_count(matching)):
        return False
    chunk = next_chunk(
        matching,
        lowest=selection.lowest,
        newest=action.newest,
        cursor=action.cursor,
        newest_first=doing.newest_first,
    )
    if chunk.is_last and not chunk.keys:
        _end(action, BulkStatus.DONE)
        return False
    pending = chunk.keys or None
    return (
        _write(action, cursor=chunk.cursor, pending=pending, status=BulkStatus.RUNNING)
        and pending is not None
    )


def _count(matching: Any) -> int | None:
    """Return how many match, None where the database does not want to count so many."""
    try:
        return int(matching.order_by().count())
    except DatabaseError:
        return None


def _end(action: BulkAction, status: BulkStatus, error: str = "") -> None:
    with transaction.atomic(using=conf.get().database):
        if _write(action, status=status, error=error, ended_at=timezone.now()):
            names = {str(action.pk): str(action)}
            audit.note(_whose(action), told_of(action), model=BulkAction, objects=names)


def _whose(action: BulkAction) -> object:
    try:
        return actor.actor_of(action)
    except PermissionDenied:
        return action.by


def _selection(action: BulkAction) -> Selection:
    return Selection(clauses=action.clauses, words=action.words, newest=action.newest, until=action.until)


def _write(action: BulkAction, **changed: Any) -> bool:
    """Write what changed, and into ``action``; False if another process has gone on with it meanwhile."""
    rows = listing().filter(
        pk=action.pk, step=action.step, status__in=[BulkStatus.WAITING, BulkStatus.RUNNING]
    )
    if not rows.update(step=action.step + 1, **changed):
        return False
    action.step += 1
    for name, value in changed.items():
        setattr(action, name, value)
    return True
