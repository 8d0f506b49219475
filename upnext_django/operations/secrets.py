"""Secrets: set, list, delete, encrypt again. No function here gives a value but ``values()``, for workers."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from upnext_django import conf
from upnext_django.core.names import check_secret_name, variable_of
from upnext_django.core.sealing import Sealer, Use, sealer_for
from upnext_django.exceptions import ArgumentError, EncryptionError, SecretNotFound, UpNextError
from upnext_django.models import Secret
from upnext_django.operations import audit

__all__ = ["MAX_BYTES", "Rotation", "SecretInfo", "check", "delete", "listing", "put", "rotate", "values"]

logger = logging.getLogger("upnext.operations")

#: The largest value: an environment variable is handed to every process that a task starts.
MAX_BYTES = 64 * 1024
_CHUNK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretInfo:
    """What is told of a secret. ``variable`` is the environment variable that workers find it in."""

    name: str
    variable: str
    created_at: datetime
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What rotate() did: ``unchanged`` have the first key already, no key opens the ``unreadable``."""

    rotated: int
    unchanged: int
    unreadable: Sequence[str]


def listing(among: QuerySet[Secret] | None = None) -> list[SecretInfo]:
    """Return the secrets of ``among`` by name, None is all of them. Needs no key."""
    rows = (_rows() if among is None else among).order_by("name").defer("ciphertext")
    return [
        SecretInfo(
            name=row.name,
            variable=variable_of(row.name),
            created_at=row.created_at,
            updated_at=row.updated_at,
            updated_by=row.updated_by,
        )
        for row in rows
    ]


@sensitive_variables("value")
def put(name: str, value: str, *, by: object = None) -> bool:
    """Set a secret and return whether it is new. Running workers keep what they have until they restart.

    ``by`` is who asked. Raises ArgumentError for a name or a value that cannot be an environment
    variable's, and EncryptionError where nothing can encrypt it.
    """
    name = check_secret_name(name)
    ciphertext = check(name, value).seal(value.encode())
    now = timezone.now()
    changed = {"ciphertext": ciphertext, "updated_at": now, "updated_by": str(by or "")[:255]}
    using = conf.get().database
    with transaction.atomic(using=using):
        _, created = Secret.objects.using(using).update_or_create(
            name=name, defaults=changed, create_defaults={**changed, "created_at": now}
        )
        audit.note(by, "set" if created else "changed", model=Secret, objects={name: name})
    return created


def delete(name: str, *, by: object = None) -> None:
    """Delete a secret; Workers that ask for it do not start any more. Raises SecretNotFound."""
    name = check_secret_name(name)
    with transaction.atomic(using=conf.get().database):
        deleted, _ = _rows().filter(pk=name).delete()
        if not deleted:
            raise SecretNotFound(f"There is no secret {name!r}.", names=[name])
        audit.note(by, "deleted", model=Secret, objects={name: name})


def rotate(*, by: object = None) -> Rotation:
    """Encrypt all secrets with the first of ``SECRETS_KEYS``; what is already is left alone.

    It may be broken off and repeated. A secret that is set meanwhile keeps its new value. Raises
    EncryptionError without keys.
    """
    sealer = _sealer("Nothing was encrypted again")
    rotated = unchanged = 0
    unreadable = []
    for row in _in_chunks():
        try:
            ciphertext = sealer.resealed(row.ciphertext)
        except EncryptionError:
            unreadable.append(row.name)
            continue
        if ciphertext is None:
            unchanged += 1
            continue
        # Compared with what was read: who sets it meanwhile encrypts with the first key anyway.
        rotated += _rows().filter(pk=row.pk, ciphertext=row.ciphertext).update(ciphertext=ciphertext)
    logger.info("%d secrets were encrypted again by %s.", rotated, by or "nobody named")
    return Rotation(rotated=rotated, unchanged=unchanged, unreadable=unreadable)


def values(names: Collection[str]) -> dict[str, str]:
    """Return name -> value of those of ``names`` that are set; for a worker's environment alone.

    Raises EncryptionError, naming the secret, for what no key opens, and UpNextError if the database does
    not answer.
    """
    alias = conf.get().database
    try:
        rows = list(_rows().filter(pk__in=names))
    except DatabaseError as error:
        raise UpNextError(
            f"The secrets {', '.join(sorted(names))} cannot be read from database {alias!r} ({error}). "
            "See that it answers and that its tables are there: python manage.py migrate upnext"
        ) from error
    finally:
        # A worker reads once, at its start, and its main thread asks nothing after that.
        if not connections[alias].in_atomic_block:
            connections[alias].close_if_unusable_or_obsolete()
    if not rows:
        return {}
    sealer = _sealer(f"The secrets {', '.join(row.name for row in rows)} cannot be decrypted")
    return {row.name: _opened(sealer, row) for row in rows}


def _opened(sealer: Sealer, row: Secret) -> str:
    try:
        return sealer.open(row.ciphertext).decode()
    except EncryptionError as error:
        raise EncryptionError(
            f"The secret {row.name!r} cannot be decrypted. {error} Or set it anew: "
            f"python manage.py upnext_secrets set {row.name}"
        ) from None


def _in_chunks() -> Iterator[Secret]:
    """Yield every row, read a hundred at a time, so that no cursor stays open over the writes."""
    last = ""
    while chunk := list(_rows().filter(pk__gt=last)[:_CHUNK]):
        yield from chunk
        last = chunk[-1].name


@sensitive_variables("value")
def check(name: str, value: str) -> Sealer:
    """Return what put() encrypts with; raises as it does, and stores nothing."""
    # The value itself is not repeated: an error may end in anybody's log.
    size = len(value.encode(errors="replace"))
    if not value:
        problem = "is empty; give its text, or delete the secret"
    elif "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        problem = "has a character that no environment variable can have (NUL or a lone surrogate)"
    elif size > MAX_BYTES:
        problem = (
            f"has {size:,} bytes; at most {MAX_BYTES:,} are allowed, since it becomes an environment variable"
        )
    else:
        return _sealer(f"The secret {name!r} was not stored")
    raise ArgumentError(f"The value of the secret {name!r} {problem}.", argument="value")


def _sealer(consequence: str) -> Sealer:
    sealer = sealer_for(conf.get().secrets_keys, Use.SECRETS)
    if sealer is None:
        raise EncryptionError(
            f"{consequence}: there is no key. Set UPNEXT['SECRETS_KEYS'] to a list of Fernet keys."
        )
    return sealer


def _rows() -> QuerySet[Secret]:
    return Secret.objects.using(conf.get().database)
