"""Who calls, and whether they may: a bearer token or the session of a user, and nobody else.

A token acts for its owner. It may do what both its scopes and the owner's permissions allow, so that a
permission that is taken away is gone from all tokens too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja.security.apikey import APIKeyCookie
from ninja.security.http import HttpBearer
from ninja.utils import check_csrf

from upnext_django.api import throttle
from upnext_django.api.problems import ProblemError
from upnext_django.models import ApiToken
from upnext_django.operations import tokens
from upnext_django.operations.audit import Actor

__all__ = ["BearerToken", "Caller", "Session", "caller", "guard", "scope_of"]

_LABEL = "upnext"
_OPERATE = frozenset(
    {
        "add_artifactrecord",
        "cancel_job",
        "control_worker",
        "discard_deadletter",
        "pause_function",
        "pause_queue",
        "replay_deadletter",
        "retry_job",
        "run_function",
        "run_schedule",
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a user, or a token that acts for one."""

    user: Any
    token: ApiToken | None = None

    def may(self, permission: str, scope: str | None = None) -> bool:
        """Return whether the user has the permission (its codename) and the token a scope that covers it."""
        wanted = scope or scope_of(permission)
        if self.token is not None and wanted not in self.token.scopes:
            return False
        return bool(self.user.has_perm(f"{_LABEL}.{permission}"))

    @property
    def actor(self) -> Actor | Any:
        """Who is named in the log of what was done."""
        return self.user if self.token is None else Actor(self.user, f"API token {self.token}")

    @property
    def key(self) -> str:
        """What this caller is told apart by: in limits, and for idempotency keys."""
        return f"user:{self.user.pk}" if self.token is None else f"token:{self.token.pk}"


def scope_of(permission: str) -> str:
    """Return the scope that a token needs for a permission: read, operate, payload or admin."""
    if permission == "view_payload":
        return "payload"
    if permission in _OPERATE:
        return "operate"
    if permission.startswith("view_") and permission not in ("view_secret", "view_apitoken"):
        return "read"
    return "admin"


def caller(request: HttpRequest) -> Caller:
    """Return who calls; for views behind guard()."""
    found = request.auth  # type: ignore[attr-defined]
    assert isinstance(found, Caller)
    return found


def guard(*permissions: str, scope: str | None = None) -> Sequence[BearerToken | Session]:
    """Return what stands before a view: ``auth=guard("view_jobrecord")``.

    All of ``permissions`` (codenames of the label ``upnext``) are needed, and of a token the scope that each
    of them has, or ``scope``.
    """
    return [BearerToken(permissions, scope), Session(permissions, scope)]


class _Gate:
    """What both ways in have in common: limits, permissions, and the user of the request."""

    permissions: Sequence[str]
    scope: str | None

    def _admit(self, request: HttpRequest, found: Caller) -> Caller:
        throttle.spend(found.key, "token")
        for permission in self.permissions:
            if not found.may(permission, self.scope):
                raise ProblemError(403, _lacking(found, permission, self.scope))
        request.user = found.user
        return found


class BearerToken(_Gate, HttpBearer):
    """``Authorization: Bearer upn_…``: a token made in the admin or by ``manage.py upnext_token``."""

    openapi_description = "A token made in the admin or by `manage.py upnext_token create`."

    def __init__(self, permissions: Sequence[str] = (), scope: str | None = None) -> None:
        super().__init__()
        self.permissions, self.scope = permissions, scope

    # ninja's own logs the header while DEBUG is on.
    @sensitive_variables("given", "token")
    def __call__(self, request: HttpRequest) -> Caller | None:
        throttle.spend(throttle.address(request), "address")
        given = request.headers.get(self.header)
        if given is None:
            return None
        kind, _, token = given.partition(" ")
        if kind.lower() != self.openapi_scheme:
            raise _unauthorized("The Authorization header must be `Bearer` and a token.")
        return self.authenticate(request, token.strip())

    @sensitive_variables("token")
    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Return who presents ``token``. A wrong one is refused also where the request has a session."""
        bearer = tokens.verify(token)
        if bearer is None:
            raise _unauthorized("The token is unknown, expired or revoked.")
        return self._admit(request, Caller(bearer.user, bearer.token))


class Session(_Gate, APIKeyCookie):
    """The session of a user who is logged in; what changes something needs Django's CSRF token too."""

    param_name = settings.SESSION_COOKIE_NAME
    openapi_description = "A login in the browser; what changes something needs the X-CSRFToken header too."

    def __init__(self, permissions: Sequence[str] = (), scope: str | None = None) -> None:
        super().__init__(csrf=True)
        self.permissions, self.scope = permissions, scope

    def __call__(self, request: HttpRequest) -> Caller:
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller:
        """Return the user of the session. Nobody is asked for CSRF who is not logged in."""
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated or not user.is_active:
            raise _unauthorized("Log in, or send a token: `Authorization: Bearer upn_…`.")
        if check_csrf(request) is not None:
            raise ProblemError(403, "The CSRF token is missing or wrong; send it as X-CSRFToken.")
        return self._admit(request, Caller(user))


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, detail, headers={"WWW-Authenticate": 'Bearer realm="upnext"'})


def _lacking(found: Caller, permission: str, scope: str | None) -> str:
    wanted = scope or scope_of(permission)
    if found.token is not None and wanted not in found.token.scopes:
        return f"This token lacks the scope {wanted!r}; it has {', '.join(found.token.scopes)}."
    return f"This needs the permission {_LABEL}.{permission}."
