"""Waiting for a condition: the only place of the tests where time passes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

__all__ = ["await_until", "wait_until"]

T = TypeVar("T")

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


def wait_until(condition: Callable[[], T], what: str, timeout: float = 10.0) -> T:
    """Return the first true answer of ``condition``.

    Fails the test with ``what``, a sentence like "job is complete", after ``timeout`` seconds.
    """
    never = threading.Event()
    for pause_s in _pauses(what, timeout):
        answer = condition()
        if answer:
            return answer
        never.wait(pause_s)
    raise AssertionError  # the pauses fail the test before they end


async def await_until(condition: Callable[[], T], what: str, timeout: float = 10.0) -> T:
    """See wait_until(); lets the running loop work meanwhile."""
    for pause_s in _pauses(what, timeout):
        answer = condition()
        if answer:
            return answer
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=pause_s)
    raise AssertionError  # the pauses fail the test before they end


def _pauses(what: str, timeout: float) -> Iterator[float]:
    deadline = time.monotonic() + timeout
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {timeout} s in vain: {what}")
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
