"""What one call may change of a task's options, checked before anything is sent."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from upnext_django.core import codec

__all__ = ["NO_OVERRIDES", "Overrides", "TaskOptions", "seconds"]

_MAX_KEY = 512


class TaskOptions(TypedDict, total=False):
    """The keywords of ``task.options(...)``. Durations are seconds or a timedelta.

    ``delay`` counts from the submit, ``at`` is an aware datetime; at most one of them. ``priority``
    is -100..100. ``timeout=None`` is no limit, ``expires=None`` never. ``key`` is an idempotency
    key: while a job of it lives, a submit leads to that job. ``using`` names the database whose
    commit a submit inside ``atomic()`` waits for, ``on_commit=False`` sends it at once.
    ``wait_timeout`` bounds ``wait()``. ``meta`` is a dict of JSON values that travels with the job.
    """

    delay: float | timedelta | None
    at: datetime | None
    priority: int | None
    queue: str | None
    retries: int | None
    timeout: float | timedelta | None
    key: str | None
    expires: float | timedelta | None
    using: str | None
    on_commit: bool
    wait_timeout: float | timedelta | None
    meta: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The checked form of TaskOptions. None, and UNSET where None has a meaning, is not given."""

    delay_ms: int | None = None
    at_ms: int | None = None
    priority: int | None = None
    queue: str | None = None
    retries: int | None = None
    timeout: float | UnsetType | None = UNSET
    key: str | None = None
    expires: float | UnsetType | None = UNSET
    using: str | None = None
    on_commit: bool = True
    wait_timeout: float | None = None
    meta: Mapping[str, msgspec.Raw] | None = None

    def merged(self, given: TaskOptions) -> Overrides:
        """Return these overrides with ``given`` on top; meta is merged key by key.

        Raises TypeError for an unknown option or a wrong type, ValueError for a value out of range.
        """
        changes: dict[str, Any] = {}
        for name, value in given.items():
            check = _CHECKS.get(name)
            if check is None:
                raise TypeError(_unknown(name))
            changes.update(check(value))
        if changes.get("meta") and self.meta:
            changes["meta"] = {**self.meta, **changes["meta"]}
        if given.get("delay") is not None and given.get("at") is not None:
            raise ValueError(
                f"options(delay={given['delay']!r}, at={given['at']!r}) names two moments; give one of them."
            )
        # The later of two calls of options() decides when the job runs.
        if given.get("delay") is not None:
            changes["at_ms"] = None
        elif given.get("at") is not None:
            changes["delay_ms"] = None
        return replace(self, **changes)


NO_OVERRIDES = Overrides()


def seconds(name: str, value: Any, *, least: float = 0.0, above: bool = False) -> float:
    """Return ``value`` (a number of seconds or a timedelta) as a float of at least ``least``.

    ``above`` excludes ``least`` itself. Raises TypeError or ValueError naming the option.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}={value!r} is no duration; give seconds as a number, or a timedelta.")
    number = float(value)
    if not math.isfinite(number) or number < least or (above and number == least):
        rule = f"more than {least:g}" if above else f"{least:g} or more"
        raise ValueError(f"{name}={value!r} is out of range; give {rule} seconds.")
    return number


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _CHECKS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"options() has no {name!r}; {hint}It takes {', '.join(_CHECKS)}."


def _delay(value: Any) -> dict[str, Any]:
    return {"delay_ms": None if value is None else round(seconds("delay", value) * 1000)}


def _at(value: Any) -> dict[str, Any]:
    if value is None:
        return {"at_ms": None}
    if not isinstance(value, datetime):
        raise TypeError(f"at={value!r} is no datetime; for a time from now use delay=, in seconds.")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(
            f"at={value.isoformat()} has no timezone, so the moment it means is unknown; "
            "pass an aware datetime, such as django.utils.timezone.make_aware(value)."
        )
    return {"at_ms": max(0, round(value.astimezone(UTC).timestamp() * 1000))}


def _whole(name: str, value: Any, least: int, most: int | None) -> dict[str, Any]:
    if value is None:
        return {name: None}
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r} is no whole number.")
    if value < least or (most is not None and value > most):
        rule = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name}={value!r} is out of range; give {rule}.")
    return {name: value}


def _text(name: str, value: Any, longest: int) -> dict[str, Any]:
    if value is None:
        return {name: None}
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} is no text; pass a str, such as str(value).")
    if not 0 < len(value) <= longest:
        raise ValueError(f"{name} has {len(value)} characters; give 1 to {longest}.")
    return {name: value}


def _flag(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is neither True nor False.")
    return {name: value}


def _meta(value: Any) -> dict[str, Any]:
    return {"meta": None if value is None else encode_meta(value)}


def encode_meta(value: Any) -> dict[str, msgspec.Raw]:
    """Return ``value``, a mapping of text to JSON values, each value encoded.

    Raises TypeError for another shape and ArgumentError for a value that cannot be sent.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"meta={value!r} is no dict with text keys.")
    encoded = {}
    for key, item in value.items():
        encoded[key] = msgspec.Raw(codec.encode(item, argument=f"meta[{key!r}]"))
    return encoded


def _bounded(name: str, value: Any) -> dict[str, Any]:
    return {name: None if value is None else seconds(name, value, above=True)}


_CHECKS = {
    "delay": _delay,
    "at": _at,
    "priority": lambda value: _whole("priority", value, -100, 100),
    "queue": lambda value: _text("queue", value, 64),
    "retries": lambda value: _whole("retries", value, 0, None),
    "timeout": lambda value: _bounded("timeout", value),
    "key": lambda value: _text("key", value, _MAX_KEY),
    "expires": lambda value: _bounded("expires", value),
    "using": lambda value: _text("using", value, 255),
    "on_commit": lambda value: _flag("on_commit", value),
    "wait_timeout": lambda value: _bounded("wait_timeout", value),
    "meta": _meta,
}
