"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RetryPolicy", "delay_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The retry options of a task. ``jitter`` is a fraction of the delay, 0.1 for up to a tenth."""

    retries: int = 0
    delay_s: float = 1.0
    backoff: float = 2.0
    jitter: float = 0.1
    max_delay_s: float = 3600.0


def delay_before(policy: RetryPolicy, retry_number: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait before retry ``retry_number`` (1 for the first).

    The delay grows by ``backoff`` up to ``max_delay_s``; then jitter lengthens it and never shortens
    it, so that nothing runs earlier than was asked for. ``random`` returns a number in [0, 1).
    """
    try:
        delay = policy.delay_s * policy.backoff ** (retry_number - 1)
    except OverflowError:
        delay = policy.max_delay_s if policy.delay_s else 0.0
    return min(delay, policy.max_delay_s) * (1.0 + policy.jitter * random())
