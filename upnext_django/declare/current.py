"""The job that is running here: what ``declare`` asks of the runtime.

The runtime puts its own object into ``current_job`` around each attempt; submits read the lineage
from it, waits give its slot back through it, and ``Context`` is a view of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Protocol

from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.masking import Mask

__all__ = ["RunningJob", "current_job"]


class RunningJob(Protocol):
    """One attempt in progress in this process. Every method may be called from any thread."""

    id: str
    queue: str
    lane: int
    parent_id: str | None
    root_id: str
    attempt: int  # 1-based
    first_claim_ms: int  # of this attempt: the same when it runs again after a crash or hand-back

    @property
    def function(self) -> str: ...

    @property
    def function_name(self) -> str: ...

    @property
    def max_attempts(self) -> int: ...

    @property
    def worker_id(self) -> str: ...

    @property
    def held(self) -> tuple[str, ...]:
        """The partitions, function:key, in whose cap this job or an ancestor has a place."""

    @property
    def is_cancelled(self) -> bool: ...

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waited for it when it was submitted."""

    @property
    def key(self) -> str | None:
        """Its idempotency key."""

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments as they travelled, in JSON's types."""

    @property
    def meta(self) -> dict[str, Any]: ...

    @property
    def mask(self) -> Mask | None:
        """What hides sensitive arguments and secrets in texts that are kept; None if there are none."""

    @property
    def last_checkpoint(self) -> Any: ...

    def next_ordinal(self, function: str, arguments: bytes) -> int:
        """Return how often this attempt submitted this very call before: 0, 1, 2..."""

    def set_progress(self, percent: float, message: str | None) -> None: ...

    def checkpoint(self, state: bytes) -> None:
        """Keep ``state`` (JSON) for the next attempt."""

    def send_log(self, level: str, message: str, data: bytes | None) -> None:
        """Append a line to the job's log; ``data`` is a JSON object."""

    def add_artifacts(self, artifacts: Iterable[ArtifactFacts]) -> None:
        """Have files that are written already listed with the job."""

    def set_alarm(self, after_s: float, error: type[Exception]) -> None:
        """Raise ``error`` in this sync attempt's function when it still runs ``after_s`` seconds from now.

        It comes at the next Python instruction, to a tenth of a second; the attempt goes on if the
        function catches it.
        """

    def stop_alarm(self) -> None:
        """Have no alarm any more. Called by the function's own thread: after it none is raised."""

    async def suspend(self) -> None:
        """Give the slot back while the caller waits; counted, so waits may overlap."""

    async def resume(self) -> None:
        """Take the slot again. Returns when there is one; before new claims."""

    def suspend_sync(self) -> None:
        """See suspend(); raises RuntimeError past ``MAX_WAITING_THREADS``."""

    def resume_sync(self) -> None:
        """See resume()."""


current_job: ContextVar[RunningJob | None] = ContextVar("upnext_current_job", default=None)
