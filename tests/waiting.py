"""Waiting for a condition: the only place of the tests where time passes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from upnext_django.exceptions import RedisUnavailable

__all__ = ["await_until", "wait_until"]

T = TypeVar("T")

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


def wait_until(condition: Callable[[], T], what: str, timeout: float = 10.0) -> T:
    """Return the first true answer of ``condition``.

    Fails the test with ``what``, a sentence like "job is complete", after ``timeout`` seconds. A Redis that
    does not answer means "not yet"; any other error of ``condition`` is raised.
    """
    never = threading.Event()
    away: list[RedisUnavailable] = []
    for pause_s in _pauses(what, timeout, away):
        answer = _ask(condition, away)
        if answer:
            return answer
        never.wait(pause_s)
    raise AssertionError  # the pauses fail the test before they end


async def await_until(condition: Callable[[], T], what: str, timeout: float = 10.0) -> T:
    """See wait_until(); lets the running loop work meanwhile."""
    away: list[RedisUnavailable] = []
    for pause_s in _pauses(what, timeout, away):
        answer = _ask(condition, away)
        if answer:
            return answer
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=pause_s)
    raise AssertionError  # the pauses fail the test before they end


def _ask(condition: Callable[[], T], away: list[RedisUnavailable]) -> T | None:
    try:
        return condition()
    except RedisUnavailable as error:
        if error.refused:
            raise
        away.append(error)
        return None


def _pauses(what: str, timeout: float, away: list[RedisUnavailable]) -> Iterator[float]:
    deadline = time.monotonic() + timeout
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        if time.monotonic() > deadline:
            also = f" (RedisUnavailable {len(away)} times, at last: {away[-1]})" if away else ""
            pytest.fail(f"Waited {timeout} s in vain: {what}{also}")
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
