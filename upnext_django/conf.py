"""The only reader of ``settings.UPNEXT``: late, validated once, read again when it changes.

``get()`` is what the rest of the package calls. ``problems()`` is the same reading for the system
checks, which show every mistake at once instead of the first.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from upnext_django.core import sealing
from upnext_django.core.environment import Environment
from upnext_django.core.rates import Rate, parse_rate
from upnext_django.exceptions import DefinitionError

__all__ = ["ENVIRONMENT_NAMESPACE", "ENVIRONMENT_URL", "Problem", "Retention", "Settings", "get", "problems"]

#: The environment variable that holds the Redis URL where ``UPNEXT["REDIS_URL"]`` does not.
ENVIRONMENT_URL: Final = "UPNEXT_REDIS_URL"
#: The environment variable that holds the namespace of scripts, which have no settings of their own.
ENVIRONMENT_NAMESPACE: Final = "UPNEXT_NAMESPACE"

_DAY_S: Final = 86400.0
#: Charts show a week, in pieces of six hours.
_LEAST_STATISTICS_S: Final = 8 * _DAY_S
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SCHEMES: Final = ("redis", "rediss", "unix")
_API_RATES: Final = {"token": Rate(600, 60_000), "address": Rate(1_200, 60_000)}
_API_MAY_BE_OPEN: Final = ("ready", "metrics")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long history keeps the rows of ended jobs, in seconds from their end, and counts by the hour.

    Written as ``UPNEXT["RETENTION"] = {"complete": ..., "failed": ..., "cancelled": ...,
    "statistics": ...}``, each a timedelta or a number of seconds; what is left out keeps its default.
    """

    complete_s: float = 14 * _DAY_S
    failed_s: float = 90 * _DAY_S
    cancelled_s: float = 14 * _DAY_S
    statistics_s: float = 30 * _DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Environment):
    """``settings.UPNEXT``, typed. The fields are its keys in lower case.

    ``redis_url`` is None where neither the setting nor the environment has one;
    ``connection.redis_url()`` knows what then. ``database`` is the alias that history and the outbox
    live in. The first of ``secrets_keys`` and ``signing_keys`` writes, all of them read. Dead letters
    live in Redis as long as the rows of failed jobs do: ``dead_ttl_s`` is ``retention.failed_s``.
    ``admin_queryset(request, rows)`` returns the part of ``rows`` that a user of the admin may see.
    ``api_rates`` are the requests that the REST API takes of one token or user ("token") and of one address
    ("address"), None for any number. ``api_open`` are its addresses that need no login: ready, metrics.
    ``outbox_databases`` are the aliases with an outbox, None those that routers let have its table.
    """

    database: str = "default"
    retention: Retention = field(default_factory=Retention)
    outbox: bool = False
    outbox_databases: tuple[str, ...] | None = None
    secrets_keys: tuple[str, ...] = field(default=(), repr=False)
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    admin_queryset: Callable[[Any, Any], Any] | None = None
    api_rates: Mapping[str, Rate | None] = field(default_factory=lambda: dict(_API_RATES))
    api_open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in ``settings.UPNEXT``. ``key`` is the setting's, None if it is the dict itself."""

    kind: str  # "shape" | "unknown" | "url" | "value"
    key: str | None
    message: str


class _Refused(Exception):
    """A value that a setting cannot have; the text is the rule, as in "it must be ..."."""


def _url(value: Any) -> str | None:
    # The value is not repeated in the rule: it may hold a password.
    if value is None:
        return None
    rule = "it must be a URL like 'redis://localhost:6379/0', 'rediss://...' or 'unix:///path/to.sock'"
    if not isinstance(value, str):
        raise _Refused(rule)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _Refused(rule) from None
    if parts.scheme not in _SCHEMES or port == 0:
        raise _Refused(rule)
    if parts.scheme == "unix" and not parts.path:
        raise _Refused(rule)
    return value


def _name(value: Any) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise _Refused("it must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_name(item) for item in value)
    raise _Refused("it must be a list of names, each 1 to 64 of the characters A-Z a-z 0-9 . _ -")


def _text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise _Refused("it must be a text that is not empty")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value):
        return tuple(value)
    raise _Refused("it must be a list of texts, none of them empty")


def _keys(value: Any) -> tuple[str, ...]:
    # Neither a key nor its place in the list is told: an error may end in anybody's log.
    if isinstance(value, (list, tuple)) and all(
        isinstance(key, str) and sealing.is_key(key) for key in value
    ):
        return tuple(value)
    raise _Refused(
        "it must be a list of Fernet keys, each of them 32 bytes in URL-safe base64; make one with: "
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )


def _texts_or_none(value: Any) -> tuple[str, ...] | None:
    return None if value is None else _texts(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Refused("it must be True or False")


def _whole(least: int) -> Callable[[Any], int]:
    def whole(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise _Refused(f"it must be a whole number, {least} or more")

    return whole


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise _Refused("it must be a number of seconds above 0")


def _retention(value: Any) -> Retention:
    if not isinstance(value, Mapping) or not set(value) <= {"complete", "failed", "cancelled", "statistics"}:
        raise _Refused(
            "it must be a dict with some of the keys 'complete', 'failed', 'cancelled' and 'statistics'"
        )
    try:
        found = Retention(**{f"{name}_s": _seconds(age) for name, age in value.items()})
    except _Refused:
        raise _Refused("each of its values must be a timedelta or a number of seconds above 0") from None
    if found.statistics_s < _LEAST_STATISTICS_S:
        raise _Refused("'statistics' must be at least 8 days: charts show the last week")
    return found


def _defaults(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise _Refused("it must be a dict of task options, like {'retries': 3}")


def _meta(value: Any) -> Callable[[], Mapping[str, Any]] | None:
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]  # what it returns is known when it is called
    raise _Refused("it must be None or a function without arguments that returns a dict")


def _rule(value: Any) -> Callable[[Any, Any], Any] | None:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise _Refused(f"it must name a function that can be imported ({error})") from None
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]  # what it returns is known when it is called
    raise _Refused("it must be a function of a request and a query set, or the dotted path of one")


def _rates(value: Any) -> dict[str, Rate | None]:
    rule = (
        "it must be a dict with some of the keys 'token' and 'address', each of its values a rate like "
        "'600/minute' or None"
    )
    if not isinstance(value, Mapping) or not set(value) <= set(_API_RATES):
        raise _Refused(rule)
    try:
        return {
            **_API_RATES,
            **{name: None if rate is None else parse_rate(rate) for name, rate in value.items()},
        }
    except DefinitionError:
        raise _Refused(rule) from None


def _open(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and set(value) <= set(_API_MAY_BE_OPEN):
        return tuple(value)
    raise _Refused("it must be a list with 'ready', 'metrics' or both, or ()")


def _level(value: Any) -> str:
    if isinstance(value, str) and value.upper() in _LEVELS:
        return value.upper()
    raise _Refused(f"it must be one of {', '.join(_LEVELS)}")


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "REDIS_URL": _url,
    "NAMESPACE": _name,
    "DATABASE": _text,
    "DEFAULT_QUEUE": _name,
    "QUEUES": _names,
    "TASK_DEFAULTS": _defaults,
    "META": _meta,
    "HISTORY": _flag,
    "RETENTION": _retention,
    "OUTBOX": _flag,
    "OUTBOX_DATABASES": _texts_or_none,
    "MAX_PAYLOAD_BYTES": _whole(1),
    "MAX_RESULT_BYTES": _whole(1),
    "MAX_ARTIFACT_BYTES": _whole(1),
    "MAX_CRASHES": _whole(0),
    "MAX_EVENTS": _whole(1),
    "MAX_WAITING_THREADS": _whole(1),
    "MAX_WAITING_PROCESSES": _whole(1),
    "MAX_STUCK_THREADS": _whole(1),
    "LEASE_S": _seconds,
    "LOG_LEVEL": _level,
    "SECRETS_KEYS": _keys,
    "SIGNING_KEYS": _texts,
    "ADMIN_QUERYSET": _rule,
    "API_OPEN": _open,
    "API_RATES": _rates,
}
_PRIVATE: Final = frozenset({"REDIS_URL", "SECRETS_KEYS", "SIGNING_KEYS"})

_current: Settings | None = None


def get() -> Settings:
    """Return the settings of this moment. Cheap: read once, and again after ``setting_changed``.

    Raises ImproperlyConfigured for the first mistake found, saying its rule and the way out.
    """
    global _current
    if _current is None:
        found, values = _read()
        if found:
            raise ImproperlyConfigured(found[0].message)
        _current = _build(values)
    return _current


def problems() -> list[Problem]:
    """Return every mistake in ``settings.UPNEXT``; an empty list means that get() works."""
    return _read()[0]


def _read() -> tuple[list[Problem], dict[str, Any]]:
    raw: Any = getattr(django_settings, "UPNEXT", {})
    if not isinstance(raw, Mapping):
        kind = type(raw).__name__
        message = f"UPNEXT is a {kind}; it must be a dict, like UPNEXT = {{'REDIS_URL': '...'}}."
        return [Problem("shape", None, message)], {}
    found: list[Problem] = []
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in _READERS:
            found.append(Problem("unknown", str(key), _unknown(key)))
            continue
        try:
            values[key.lower()] = _READERS[key](value)
        except _Refused as refused:
            shown = "is not valid" if key in _PRIVATE else f"is {value!r}"
            kind = "url" if key == "REDIS_URL" else "value"
            found.append(Problem(kind, key, f"UPNEXT['{key}'] {shown}; {refused}."))
    if values.get("redis_url") is None and (url := os.environ.get(ENVIRONMENT_URL)):
        try:
            values["redis_url"] = _url(url)
        except _Refused as refused:
            message = f"The environment variable {ENVIRONMENT_URL} is not valid; {refused}."
            found.append(Problem("url", "REDIS_URL", message))
    return found, values


def _unknown(key: Any) -> str:
    near = difflib.get_close_matches(str(key).upper(), _READERS, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"the known keys are {', '.join(_READERS)}."
    return f"UPNEXT['{key}'] is unknown; {advice}"


def _build(values: dict[str, Any]) -> Settings:
    retention: Retention = values.get("retention", Retention())
    return Settings(**{"dead_ttl_s": retention.failed_s, **values})


def _forget(*, setting: str, **_: Any) -> None:
    global _current
    if setting == "UPNEXT":
        _current = None


setting_changed.connect(_forget, dispatch_uid="upnext_django.conf")
