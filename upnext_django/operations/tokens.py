"""Tokens of the REST API: make, list, revoke, and tell whose a presented one is.

A token is ``upn_<prefix>_<secret>``. The database has its prefix and an HMAC-SHA256 of it, keyed with the
first of ``SIGNING_KEYS``, or of ``SECRET_KEY`` and its fallbacks where there are none: whoever reads the
table can neither use nor make one. A token that an older key made is stored anew when it is used.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from upnext_django import conf
from upnext_django.exceptions import DefinitionError, TokenNotFound
from upnext_django.models import ApiToken
from upnext_django.models.token import SCOPES
from upnext_django.operations import audit, signing

__all__ = ["SCOPES", "Bearer", "create", "listing", "owner_of", "revoke", "verify"]

logger = logging.getLogger("upnext.operations")

_TOKEN = re.compile(r"upn_([a-z0-9]{12})_[A-Za-z0-9_-]{43}")
_PREFIX_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_USED_EVERY = timedelta(minutes=1)
_NOBODY = "0" * 64
_PURPOSE = "api-token"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who presented a token: its row and the user it acts for."""

    token: ApiToken
    user: Any

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.token.scopes)


@sensitive_variables("text")
def create(
    name: str,
    *,
    owner: Any,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    by: object = None,
) -> tuple[ApiToken, str]:
    """Make a token that acts for ``owner`` and return its row and its text, which is never told again.

    ``scopes`` are some of SCOPES, ``expires_at`` is aware, None is never; ``by`` is who asked. Raises
    DefinitionError for a name, scopes or a time that make no sense.
    """
    name = name.strip()
    unknown = set(scopes) - set(SCOPES)
    if not name or len(name) > 100 or not name.isprintable():
        raise DefinitionError("A token needs a name of 1 to 100 printable characters.")
    if unknown or not scopes:
        shown = ", ".join(sorted(unknown)) or "none"
        raise DefinitionError(f"The scopes of a token are some of {', '.join(SCOPES)}; given: {shown}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise DefinitionError(f"{expires_at.isoformat()} is over already; give a later time.")
    prefix = "".join(secrets.choice(_PREFIX_CHARACTERS) for _ in range(12))
    text = f"upn_{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiToken(
        name=name,
        owner_id=str(owner.pk),
        owner_name=str(owner)[:255],
        prefix=prefix,
        digest=signing.digest(_PURPOSE, text),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_at=timezone.now(),
        created_by=str(by or "")[:255],
        expires_at=expires_at,
    )
    row.save(using=conf.get().database)
    audit.note(by, "created", model=ApiToken, objects={str(row.pk): str(row)})
    return row, text


def listing() -> QuerySet[ApiToken]:
    """Return all tokens, the newest first."""
    return ApiToken.objects.using(conf.get().database)


def revoke(prefix: str, *, by: object = None) -> bool:
    """Let a token open nothing from now on; False if it was revoked already. Raises TokenNotFound."""
    row = listing().filter(prefix=prefix).first()
    if row is None:
        raise TokenNotFound(prefix)
    if not listing().filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.note(by, "revoked", model=ApiToken, objects={str(row.pk): str(row)})
    return True


@sensitive_variables("text")
def verify(text: str) -> Bearer | None:
    """Return whose token it is; None for one that is unknown, over, revoked or of nobody.

    Takes as long for a wrong secret as for a right one. Notes once a minute that it was used.
    """
    match = _TOKEN.fullmatch(text)
    row = None if match is None else listing().filter(prefix=match[1]).first()
    is_right, is_current = signing.matches(_PURPOSE, text, _NOBODY if row is None else row.digest)
    if row is None or not is_right:
        return None
    now = timezone.now()
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    user = owner_of(row)
    if user is None or not user.is_active:
        return None
    changed: dict[str, Any] = {"last_used_at": now}
    if not is_current:
        changed["digest"] = signing.digest(_PURPOSE, text)
    if row.last_used_at is None or row.last_used_at <= now - _USED_EVERY or not is_current:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=now)
        listing().filter(unused, pk=row.pk).update(**changed)
    return Bearer(row, user)


def owner_of(row: ApiToken) -> Any:
    """Return the user that a token acts for, None if there is no such user any more."""
    try:
        return get_user_model()._default_manager.filter(pk=row.owner_id).first()
    except (ValueError, ValidationError):  # the key of another kind of user
        return None
