"""Who an action is done for, while nobody waits for it: the user as he is now, and what he may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from upnext_django.models import BulkAction
from upnext_django.operations.audit import Actor
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb, Doing
from upnext_django.operations.scope import scoped

__all__ = ["actor_of", "address_of", "check", "may_act", "may_take_up", "seen_by", "user_of"]


def user_of(by: object) -> Any:
    """Return the user of the project that ``by`` is or acts for, None for a script."""
    user = by.user if isinstance(by, Actor) else by
    return user if isinstance(user, get_user_model()) else None


def address_of(request: HttpRequest | None) -> dict[str, str]:
    """Return what is kept of a request for the project's rule: where it went."""
    if request is None:
        return {}
    return {
        "host": request.get_host(),
        "path": request.path,
        "scheme": request.scheme or "http",
    }


def actor_of(action: BulkAction) -> object:
    """Return for whom it is done, as the audit trail takes it.

    Raises PermissionDenied if there is no such user any more.
    """
    if not action.user_id:
        return action.by or None
    try:
        user = get_user_model()._default_manager.filter(pk=action.user_id).first()
    except (ValueError, ValidationError):  # the key of another kind of user
        user = None
    if user is None:
        raise PermissionDenied(f"{action.by}, who asked for it, is no user any more.")
    return Actor(user, action.through) if action.through else user


def check(by: object, doing: Doing, selection: Selection) -> None:
    """Raise PermissionDenied if a user may not do this to what is selected; a script may do all."""
    user = user_of(by)
    if user is None:
        return
    needed = [*doing.permissions]
    if selection.looks_into_arguments:
        needed.append(f"{doing.model._meta.app_label}.view_payload")
    if not user.is_active:
        raise PermissionDenied(f"{user}, who asked for it, is not active.")
    missing = [name for name in needed if not user.has_perm(name)]
    if missing:
        raise PermissionDenied(f"{user}, who asked for it, does not have the permission {missing[0]}.")


def may_act(user: Any, action: BulkAction) -> bool:
    """Return whether a user may do to one row what ``action`` does to many: then he may stop it."""
    return all(map(user.has_perm, VERBS[BulkVerb(action.verb)].permissions))


def may_take_up(user: Any, action: BulkAction) -> bool:
    """Return whether a user may let ``action`` go on: the rights that it goes on with must be his own."""
    is_whose = bool(getattr(user, "is_superuser", False)) or action.user_id == str(user.pk)
    return is_whose and may_act(user, action)


def seen_by(by: object, address: Mapping[str, str], rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the part of ``rows`` that the project's rule shows to a user; all of them to a script."""
    user = user_of(by)
    return rows if user is None else scoped(_stand_in(user, address), rows)


def _stand_in(user: Any, address: Mapping[str, str]) -> HttpRequest:
    """Return a request as the user's was, without a session and what middleware puts into one."""
    request = HttpRequest()
    request.method = "GET"
    request.user = user
    request.path = request.path_info = address.get("path", "/")
    request.META = {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if address.get("scheme") == "https" else "80",
    }
    if address.get("host"):
        request.META["HTTP_HOST"] = address["host"]
    return request
