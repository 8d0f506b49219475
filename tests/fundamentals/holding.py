"""Queues whose jobs wait while a test looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from upnext_django.operations import control

__all__ = ["paused"]


@contextmanager
def paused(*queues: str) -> Iterator[None]:
    """Let no job of ``queues`` begin before the end of the block, however slow the machine is."""
    for queue in queues:
        control.pause_queue(queue)
    try:
        yield
    finally:
        for queue in queues:
            control.resume_queue(queue)
