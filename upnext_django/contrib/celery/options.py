"""The options of ``@shared_task``: checked, and turned into those of a task."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from upnext_django.exceptions import DefinitionError, TaskTimeoutError

__all__ = ["CeleryOptions", "read_options"]

#: Celery keeps results for a day.
_RESULT_TTL_S = 86_400
#: ``max_retries=None`` is for ever; the number only shows in the admin.
_FOR_EVER = 1_000_000

#: What every job has here, or what steers a part of Celery that is not here: taken and without effect.
_WITHOUT_EFFECT = frozenset(
    {
        "acks_late", "acks_on_failure_or_timeout", "compression", "reject_on_worker_lost", "send_events",
        "shared", "store_errors_even_if_ignored", "track_started", "trail", "typing",
    }
)  # fmt: skip
_NOT_OFFERED = {
    "base": "has no task classes; move the hooks of the class into on_failure= and its kin of @upnext.task",
    "on_failure": "calls hooks with other arguments; use @upnext.task(on_failure=...)",
    "on_success": "calls hooks with other arguments; use @upnext.task(on_success=...)",
    "on_retry": "calls hooks with other arguments; use @upnext.task(on_retry=...)",
    "after_return": "calls hooks with other arguments; use @upnext.task(on_complete=...)",
    "before_start": "calls hooks with other arguments; use @upnext.task(on_start=...)",
    "pydantic": "needs no such switch: annotate the parameters, and models come back as themselves",
    "routing_key": "has no exchanges; name the queue with queue=",
    "exchange": "has no exchanges; name the queue with queue=",
}
_OFFERED = (
    "bind", "name", "queue", "max_retries", "default_retry_delay", "autoretry_for", "dont_autoretry_for",
    "retry_kwargs", "retry_backoff", "retry_backoff_max", "retry_jitter", "time_limit", "soft_time_limit",
    "rate_limit", "ignore_result", "expires", "priority", "throws", "serializer",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryOptions:
    """What of Celery's options is not one of a task: who retries, when, and the soft limit."""

    bind: bool = False
    name: str | None = None
    max_retries: int | None = 3
    default_retry_delay: float = 180
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any]
    retry_backoff: float = 0.0
    retry_backoff_max: float = 600
    retry_jitter: bool = True
    time_limit: float | None = None
    soft_time_limit: float | None = None
    throws: tuple[type[BaseException], ...] = ()
    ignore_result: bool = False

    def delay_of_autoretry(self, retries: int) -> float | None:
        """Return the seconds before retry ``retries`` + 1, None for those of ``default_retry_delay``.

        With a backoff: factor, twice it, four times it... up to ``retry_backoff_max``; with the jitter
        anything from 0 to that, as in Celery.
        """
        if not self.retry_backoff:
            return None
        factor = int(max(1.0, self.retry_backoff))
        delay = int(min(self.retry_backoff_max, factor * 2 ** min(retries, 64)))
        return random.randrange(delay + 1) if self.retry_jitter else delay


def read_options(given: Mapping[str, Any], *, source: str) -> tuple[CeleryOptions, dict[str, Any]]:
    """Return Celery's part of the options, and the rest as options of a task.

    ``source`` begins every error. Raises DefinitionError for an option that has no equal here and for
    values that make no sense.
    """
    for name in given:
        if name not in _OFFERED and name not in _WITHOUT_EFFECT:
            raise DefinitionError(f"{source}: {_refusal(name)}.")
    if given.get("serializer", "json") != "json":
        raise DefinitionError(
            f"{source}: serializer={given['serializer']!r}: arguments and results travel as JSON here, "
            "nothing is ever unpickled. Pass values that JSON can carry, such as order.pk."
        )
    time_limit = _seconds("time_limit", given.get("time_limit"), source)
    options = CeleryOptions(
        bind=bool(given.get("bind", False)),
        name=given.get("name"),
        max_retries=_retries("max_retries", given.get("max_retries", 3), source),
        default_retry_delay=_delay("default_retry_delay", given.get("default_retry_delay", 180), source),
        autoretry_for=_classes("autoretry_for", given.get("autoretry_for", ()), source),
        dont_autoretry_for=_classes("dont_autoretry_for", given.get("dont_autoretry_for", ()), source),
        retry_kwargs=_retry_kwargs(given.get("retry_kwargs") or {}, source),
        retry_backoff=_delay("retry_backoff", float(given.get("retry_backoff") or 0), source),
        retry_backoff_max=_delay("retry_backoff_max", given.get("retry_backoff_max", 600), source),
        retry_jitter=bool(given.get("retry_jitter", True)),
        time_limit=time_limit,
        soft_time_limit=_seconds("soft_time_limit", given.get("soft_time_limit"), source),
        throws=_classes("throws", given.get("throws", ()), source),
        ignore_result=bool(given.get("ignore_result", False)),
    )
    rate = given.get("rate_limit")
    rest: dict[str, Any] = {
        "retries": _FOR_EVER if options.max_retries is None else options.max_retries,
        # Celery retries what self.retry() or autoretry_for asks for, and nothing else.
        "retry_on": (),
        "no_retry_on": (TaskTimeoutError,),
        "timeout": time_limit,
        "rate_limit": f"{rate}/s" if isinstance(rate, int) and not isinstance(rate, bool) else rate,
        "save_result": not options.ignore_result,
        "result_ttl": _RESULT_TTL_S,
        "expires": given.get("expires"),
        "priority": given.get("priority") or 0,
        "queue": given.get("queue"),
    }
    return options, rest


def _refusal(name: str) -> str:
    if name in _NOT_OFFERED:
        return f"{name!r}: upnext_django {_NOT_OFFERED[name]}"
    near = get_close_matches(name, _OFFERED, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(_OFFERED)}"
    return f"{name!r} is not an option of shared_task; {hint}"


def _retries(name: str, value: Any, source: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise DefinitionError(f"{source}: {name}={value!r}: give 0 or more; None retries for ever.")
    return value


def _delay(name: str, value: Any, source: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise DefinitionError(f"{source}: {name}={value!r}: give seconds, 0 or more.")
    return value


def _seconds(name: str, value: Any, source: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or _delay(name, value, source) == 0:
        raise DefinitionError(f"{source}: {name}={value!r}: give seconds above 0; None is no limit.")
    return float(value)


def _classes(name: str, value: Any, source: str) -> tuple[type[BaseException], ...]:
    classes = (value,) if isinstance(value, type) else value
    if isinstance(classes, Iterable):
        classes = tuple(classes)
        if all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
            return classes
    raise DefinitionError(f"{source}: {name}={value!r}: give a tuple of exception classes.")


def _retry_kwargs(value: Any, source: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value.keys() <= {"max_retries", "countdown"}:
        raise DefinitionError(f"{source}: retry_kwargs={value!r}: it takes max_retries and countdown.")
    checked = dict(value)
    _retries("retry_kwargs max_retries", checked.get("max_retries"), source)
    if checked.get("countdown") is not None:
        _delay("retry_kwargs countdown", checked["countdown"], source)
    return checked
