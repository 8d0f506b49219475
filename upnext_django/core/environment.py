"""What the engine needs to know of its surroundings, as plain values.

Django's ``conf.get()`` returns a subclass read from ``settings.UPNEXT``; without Django the
defaults below and the environment variable ``UPNEXT_REDIS_URL`` hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Settings of the engine; the names are those of ``UPNEXT`` in lower case.

    ``*_bytes`` are bytes of JSON, of an artifact its file's; ``*_s`` are seconds. ``meta`` is called at each
    submit and its dict travels with the job. ``max_waiting_*`` are the sync jobs of a worker that may wait
    for others at once.
    """

    redis_url: str | None = field(default=None, repr=False)  # it may hold a password
    namespace: str = "upnext"
    default_queue: str = "default"
    queues: tuple[str, ...] = ()
    task_defaults: Mapping[str, Any] = field(default_factory=dict)
    meta: Callable[[], Mapping[str, Any]] | None = None
    history: bool = True
    max_payload_bytes: int = 1024 * 1024
    max_result_bytes: int = 1024 * 1024
    max_artifact_bytes: int = 10 * 1024 * 1024
    max_crashes: int = 3
    max_events: int = 1_000_000
    max_waiting_threads: int = 256
    max_waiting_processes: int = 16
    max_stuck_threads: int = 8
    lease_s: float = 15.0
    log_level: str = "INFO"
    dead_ttl_s: float = 90 * 86400.0
