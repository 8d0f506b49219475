"""Something that runs beside the jobs in a worker process, such as the mirror."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Service"]


class Service(Protocol):
    """Started before the first claim, stopped after the last settlement."""

    name: str

    @property
    def brings_jobs(self) -> bool:
        """Whether it submits jobs that wait elsewhere: a burst drains it before it looks for work."""

    def start(self) -> None: ...

    def drain(self, timeout_s: float) -> bool:
        """Wait until it has done all there is to do now; False if it has not after ``timeout_s`` seconds."""

    def stop(self) -> None:
        """Ask it to end; returns at once."""

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs after ``timeout_s`` seconds."""
