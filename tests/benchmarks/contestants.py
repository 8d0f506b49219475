"""Who is measured: the peers' packages, their best settings and the workers that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.environments import installed_versions, python_of

__all__ = ["HERE", "PEERS", "Contestant", "Start"]

HERE = Path(__file__).parent
DJANGO = ("Django>=5.2,<6", "psycopg[binary]>=3.2,<4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One way to run a contestant's worker, for the workload that it does best with it.

    ``command`` is a script of its environment with its arguments; ``jobs`` how many a full run
    queues, about three seconds' worth; ``settings`` says in words what was chosen, for the report.
    """

    command: tuple[str, ...]
    jobs: int
    settings: str
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A job system: what to install, and how its worker starts for each task.

    The tasks are ``async``, ``sync``, ``orm`` and ``echo``; one that is not in ``starts`` is not
    measured for it. ``requirements`` are arguments of pip. ``streams`` is a pattern of keys: its drain ends
    only when those streams are empty, that is when its last job has been settled, where the peers' ends with
    the last job's run.
    """

    name: str
    requirements: tuple[str, ...]
    folder: Path
    starts: Mapping[str, Start]
    enqueue_jobs: int = 16_000
    streams: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter with its packages; the first use installs them."""
        return python_of(self.name, self.requirements)

    def versions(self) -> dict[str, str]:
        """Return what is installed of the packages that matter to its speed."""
        names = (self.name, "kombu", "taskiq-redis", "redis", "hiredis", "uvloop", "Django", "psycopg")
        return installed_versions(self.python, names)


def peer(
    name: str, requirements: tuple[str, ...], starts: Mapping[str, Start], enqueue_jobs: int = 16_000
) -> Contestant:
    """Return a peer whose modules are in ``peers/NAME``."""
    return Contestant(
        name=name,
        requirements=requirements,
        folder=HERE / "peers" / name,
        starts=starts,
        enqueue_jobs=enqueue_jobs,
    )


CELERY = ("celery", "-A", "tasks", "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle")
PREFORK = (*CELERY, "--without-heartbeat", "-P", "prefork", "-c", "1")
DRAMATIQ = ("dramatiq", "tasks", "-p", "1")
HUEY = ("huey_consumer", "tasks.huey", "-k", "thread", "--quiet")
SAQ = ("saq", "tasks.settings")
TASKIQ = ("taskiq", "worker", "tasks:broker", "--workers", "1", "--log-level", "WARNING")
WINDOW = {"dramatiq_queue_prefetch": "100"}

PEERS = (
    peer(
        "celery",
        ("celery[redis]>=5.6,<6", "hiredis>=3", *DJANGO),
        {
            "sync": Start(command=PREFORK, jobs=3000, settings="prefork -c 1, prefetch 64, no results"),
            "echo": Start(command=PREFORK, jobs=500, settings="prefork -c 1, Redis results"),
            "orm": Start(command=PREFORK, jobs=2000, settings="prefork -c 1, prefetch 64, no results"),
        },
        enqueue_jobs=8_000,
    ),
    peer(
        "dramatiq",
        ("dramatiq[redis]>=2,<3", "hiredis>=3", "uvloop>=0.21", *DJANGO),
        {
            "async": Start(
                command=(*DRAMATIQ, "-t", "1"), jobs=10000, settings="1 thread, prefetch 100", environ=WINDOW
            ),
            "sync": Start(
                command=(*DRAMATIQ, "-t", "1"), jobs=15000, settings="1 thread, prefetch 100", environ=WINDOW
            ),
            "echo": Start(command=(*DRAMATIQ, "-t", "1"), jobs=200, settings="1 thread, Redis results"),
            "orm": Start(
                command=(*DRAMATIQ, "-t", "4"), jobs=3000, settings="4 threads, prefetch 100", environ=WINDOW
            ),
        },
    ),
    peer(
        "rq",
        ("rq>=2,<4", "hiredis>=3"),
        {
            "sync": Start(
                command=("rq", "worker", "--worker-class", "rq.worker.SimpleWorker", "--quiet"),
                jobs=800,
                settings="SimpleWorker",
            ),
            "echo": Start(
                command=("rq", "worker", "--worker-class", "rq.worker.SimpleWorker", "--quiet"),
                jobs=300,
                settings="SimpleWorker",
            ),
        },
        enqueue_jobs=8_000,
    ),
    peer(
        "saq",
        ("saq[redis]>=0.26,<1", "typing_extensions>=4", "hiredis>=3", "uvloop>=0.21"),
        {
            "async": Start(command=SAQ, jobs=6000, settings="concurrency 32"),
            "sync": Start(command=SAQ, jobs=4000, settings="concurrency 32"),
            "echo": Start(command=SAQ, jobs=500, settings="concurrency 32, result asked each 1 ms"),
        },
    ),
    peer(
        "taskiq",
        ("taskiq>=0.11,<1", "taskiq-redis>=1,<2", "hiredis>=3", "uvloop>=0.21"),
        {
            "async": Start(
                command=(*TASKIQ, "--max-async-tasks", "100"),
                jobs=10000,
                settings="Streams, 100 tasks, read 100",
            ),
            "sync": Start(
                command=(*TASKIQ, "--max-async-tasks", "10"),
                jobs=6000,
                settings="Streams, 10 tasks, read 100",
            ),
            "echo": Start(
                command=(*TASKIQ, "--max-async-tasks", "100"),
                jobs=500,
                settings="Streams, result asked each 1 ms",
            ),
        },
    ),
    peer(
        "huey",
        ("huey>=2.5,<4", "redis>=5", "hiredis>=3", *DJANGO),
        {
            "sync": Start(command=(*HUEY, "-w", "1"), jobs=8000, settings="1 thread"),
            "echo": Start(command=(*HUEY, "-w", "1"), jobs=500, settings="1 thread, notify_result"),
            "orm": Start(command=(*HUEY, "-w", "4"), jobs=3000, settings="4 threads"),
        },
    ),
)
