"""How a worker process is to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXIT_FAILED", "EXIT_OK", "EXIT_RECYCLED", "EXIT_STUCK", "WorkerOptions"]

EXIT_OK = 0
#: The worker cannot do its work here, such as start a process for its sync tasks.
EXIT_FAILED = 1
#: Too many threads hang in calls that nothing can interrupt: the supervisor should start afresh.
EXIT_STUCK = 75
#: It has done its share (``max_jobs``, ``max_memory_mib``). The command tells it to its own parent only.
EXIT_RECYCLED = 76


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """``concurrency`` overrides that of every Worker, ``queues`` limits what is served (None: all).

    ``burst`` ends when nothing that could run is left; it makes no ticks. ``cron`` False leaves the ticks
    of crons to others. ``shutdown_timeout_s`` is how long running jobs may go on after SIGTERM before they
    are handed back. After about ``max_jobs`` jobs (up to a tenth more), or once it and the processes of its
    pools use more than ``max_memory_mib`` MiB and it has done at least one job, it drains and ends; None is
    no limit. ``health_file`` is touched while it is well.
    """

    concurrency: int | None = None
    queues: frozenset[str] | None = None
    burst: bool = False
    cron: bool = True
    shutdown_timeout_s: float = 25.0
    max_jobs: int | None = None
    max_memory_mib: int | None = None
    health_file: Path | None = None

    @property
    def ticks(self) -> bool:
        """Whether the process makes the ticks of schedules."""
        return self.cron and not self.burst
