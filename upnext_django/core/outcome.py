"""What follows from the way an attempt ended: the status, the delay, what is kept."""

from __future__ import annotations

import math
import random as _random
from collections.abc import Callable

import msgspec

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.failure import describe
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.masking import Mask
from upnext_django.core.retries import delay_before
from upnext_django.exceptions import ArgumentError, EncryptionError, Retry, TaskTimeoutError

__all__ = ["Outcome", "cancelled", "completed", "failed", "timed_out", "worker_lost"]

# A retry further away than this is a slip of units; Redis and the database hold it safely.
_MAX_DELAY_S = 10 * 365 * 86400.0


class Outcome(msgspec.Struct, frozen=True):
    """How to settle one attempt. ``delay_ms`` is set for RETRYING only."""

    status: JobStatus
    delay_ms: int | None
    data: SettleData


def completed(definition: TaskDefinition, *, attempt: int, started_ms: int, result: bytes | None) -> Outcome:
    """Return the outcome of a call that returned. ``result`` is JSON, None if there is none to tell.

    The result goes along even where ``save_result`` is off: a waiter registered before the end gets it.
    """
    value = msgspec.UNSET if result is None else msgspec.Raw(result)
    return Outcome(JobStatus.COMPLETE, None, SettleData(attempt=attempt, started_ms=started_ms, result=value))


def failed(
    definition: TaskDefinition,
    error: BaseException,
    *,
    attempt: int,
    max_attempts: int,
    started_ms: int,
    mask: Mask | None = None,
    random: Callable[[], float] = _random.random,
) -> Outcome:
    """Return the outcome of a call that raised: RETRYING while attempts are left, else FAILED.

    ``raise Retry(after=30)`` is retried whatever the options say, and where it has a ``max_retries`` that
    counts instead of ``max_attempts``. Other errors go by ``retry_on`` and ``no_retry_on``, of which the
    second wins. A value that cannot be sent or does not fit (ArgumentError) would not fit the next time
    either: it is retried only where ``retry_on`` names it. What cannot be decrypted (EncryptionError) is no
    fault of the function's: only ``no_retry_on`` ends it. ``mask`` takes what must not be stored out of
    the texts.
    """
    error_type, text, trace = describe(error, mask)
    data = SettleData(
        attempt=attempt, started_ms=started_ms, error_type=error_type, error=text, traceback=trace
    )
    if isinstance(error, Retry) and error.max_retries is not None:
        max_attempts = error.max_retries + 1
    if attempt >= max_attempts or not _is_retryable(definition, error):
        return Outcome(JobStatus.FAILED, None, data)
    after = error.after if isinstance(error, Retry) else None
    if after is None or math.isnan(after):
        return Outcome(JobStatus.RETRYING, _delay_ms(definition, attempt, random), data)
    return Outcome(JobStatus.RETRYING, math.ceil(min(max(after, 0.0), _MAX_DELAY_S) * 1000), data)


def timed_out(
    definition: TaskDefinition,
    *,
    timeout_s: float,
    attempt: int,
    max_attempts: int,
    started_ms: int,
    random: Callable[[], float] = _random.random,
) -> Outcome:
    """Return the outcome of an attempt that ran longer than ``timeout_s``: retried like a failure.

    ``retry_on`` and ``no_retry_on`` are about what the function raises; only TaskTimeoutError itself in
    ``no_retry_on`` stops that.
    """
    data = SettleData(
        attempt=attempt,
        started_ms=started_ms,
        error_type="TaskTimeoutError",
        error=f"{float(timeout_s)} seconds",
        timed_out=True,
    )
    if attempt >= max_attempts or TaskTimeoutError in definition.no_retry_on:
        return Outcome(JobStatus.FAILED, None, data)
    return Outcome(JobStatus.RETRYING, _delay_ms(definition, attempt, random), data)


def cancelled(*, attempt: int, started_ms: int, error: str | None = None) -> Outcome:
    """Return the outcome of an attempt that was cancelled; ``error`` may say why."""
    return Outcome(JobStatus.CANCELLED, None, SettleData(attempt=attempt, started_ms=started_ms, error=error))


def worker_lost(*, attempt: int, started_ms: int, crashes: int) -> SettleData:
    """Return what is kept of a job that lost its worker once too often."""
    return SettleData(
        attempt=attempt,
        started_ms=started_ms,
        error_type="WorkerLost",
        error=f"WorkerLost: the worker died {crashes} times while it ran this job",
    )


def _is_retryable(definition: TaskDefinition, error: BaseException) -> bool:
    if isinstance(error, Retry):
        return True
    if isinstance(error, definition.no_retry_on):
        return False
    if isinstance(error, EncryptionError):
        return True
    if definition.retry_on is None:
        return not isinstance(error, ArgumentError)
    return isinstance(error, definition.retry_on)


def _delay_ms(definition: TaskDefinition, attempt: int, random: Callable[[], float]) -> int:
    # Rounded up: nothing may run earlier than was asked for.
    return math.ceil(delay_before(definition.retry, attempt, random) * 1000)
