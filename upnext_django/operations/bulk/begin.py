"""Begin, stop and take up actions on very many rows."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upnext_django import conf
from upnext_django.broker.lease import Lease
from upnext_django.connection import get_broker
from upnext_django.exceptions import BulkActionNotFound, InvalidBulkMove
from upnext_django.models import BulkAction, BulkStatus
from upnext_django.operations import audit
from upnext_django.operations.audit import Actor
from upnext_django.operations.bulk import actor
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb
from upnext_django.operations.scope import scoped

__all__ = ["LEASE", "get", "go_on", "is_served", "listing", "rows", "start", "stop", "told_of"]

#: The turn of the one process that goes through them.
LEASE = "bulk"


def rows(
    verb: BulkVerb, selection: Selection, *, by: object = None, request: HttpRequest | None = None
) -> QuerySet[Any]:
    """Return the rows that ``verb`` would be done to: those selected that ``by`` may see and it fits.

    ``request`` is the user's own, for the project's rule. Raises PermissionDenied.
    """
    doing = VERBS[verb]
    actor.check(by, doing, selection)
    found = selection.rows(doing.model)
    seen = actor.seen_by(by, {}, found) if request is None else scoped(request, found)
    return doing.eligible(seen, selection.until)


def start(
    verb: BulkVerb,
    selection: Selection,
    *,
    by: object = None,
    request: HttpRequest | None = None,
    seed: str | None = None,
) -> BulkAction:
    """Have the workers do ``verb`` to all rows of ``selection`` that were so until now; returns at once.

    ``by`` is who asked: a user (or audit.Actor), whose permissions and scope count for each chunk, or the
    name of a script, which may do all. ``request`` is the user's own, for the project's rule. An action that
    was begun with the same ``seed`` is returned instead. Raises PermissionDenied.
    """
    doing = VERBS[verb]
    actor.check(by, doing, selection)
    selection = selection.bounded(doing.model)
    assert selection.until is not None
    user = actor.user_of(by)
    facts = {
        "verb": verb.value,
        "clauses": selection.as_dict()["clauses"],
        "words": list(selection.words),
        "newest": selection.newest,
        "until": selection.until,
        "user_id": "" if user is None else str(user.pk),
        "by": str(by or "")[:255],
        "through": by.through[:255] if isinstance(by, Actor) else "",
        "address": actor.address_of(request),
        "asked_at": timezone.now(),
    }
    with transaction.atomic(using=_using()):
        if seed is None:
            action, is_new = BulkAction.objects.using(_using()).create(**facts), True
        else:
            action, is_new = BulkAction.objects.using(_using()).get_or_create(seed=seed, defaults=facts)
        if is_new:
            _note(by, "asked for", action)
    return action


def stop(pk: int, *, by: object = None) -> bool:
    """End an action, after the chunk in hand; False if it has ended. Raises BulkActionNotFound."""
    get(pk)
    who = str(by or "")[:255]
    with transaction.atomic(using=_using()):
        # A worker that plans the next chunk at this moment has an older step then, and does nothing.
        ended = (
            _open(pk)
            .filter(pending__isnull=True)
            .update(status=BulkStatus.STOPPED, stop_asked_by=who, ended_at=timezone.now(), step=F("step") + 1)
        )
        asked = ended or _open(pk).update(stop_asked_by=who)
        if asked:
            action = get(pk)
            _note(by, told_of(action) if ended else "asked to stop", action)
    return bool(asked)


def go_on(pk: int, *, by: object = None) -> None:
    """Take up an action that was stopped or failed, where it was, for who asked for it first.

    Raises BulkActionNotFound, and InvalidBulkMove for one that is open or done.
    """
    action = get(pk)
    with transaction.atomic(using=_using()):
        taken_up = (
            listing()
            .filter(pk=pk, status__in=[BulkStatus.STOPPED, BulkStatus.FAILED])
            .update(status=BulkStatus.WAITING, stop_asked_by=None, ended_at=None, error="")
        )
        if not taken_up:
            raise InvalidBulkMove(pk, action.status, "taken up", ["stopped", "failed"])
        _note(by, "taken up again", action)


def listing() -> QuerySet[BulkAction]:
    """Return all actions, the newest first."""
    return BulkAction.objects.using(_using()).order_by("-pk")


def get(pk: int) -> BulkAction:
    """Return one action. Raises BulkActionNotFound."""
    found = listing().filter(pk=pk).first()
    if found is None:
        raise BulkActionNotFound(pk)
    return found


def is_served() -> bool:
    """Return whether a worker is there that goes through them. Raises RedisUnavailable."""
    broker = get_broker()
    return Lease(broker.clients, broker.names.turn(LEASE)).is_held()


def told_of(action: BulkAction) -> str:
    """Return what the audit trail says of an action that has ended."""
    past = VERBS[BulkVerb(action.verb)].past
    ending = "broken off" if action.status == BulkStatus.FAILED else str(action.status)
    return f"{ending}: {action.done} {past}, {action.refused} refused"


def _open(pk: int) -> QuerySet[BulkAction]:
    return listing().filter(pk=pk, status__in=[BulkStatus.WAITING, BulkStatus.RUNNING])


def _note(by: object, done: str, action: BulkAction) -> None:
    audit.note(by, done, model=BulkAction, objects={str(action.pk): str(action)})


def _using() -> str:
    return conf.get().database
