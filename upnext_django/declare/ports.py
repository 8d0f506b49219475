"""What ``declare`` needs from outside: settings, Redis, the moment to send, the history.

Without Django the defaults below hold. ``AppConfig`` replaces them through ``configure()`` before
the first task module is imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack

from upnext_django.core.environment import Environment
from upnext_django.core.job import Ending, LiveJob, NewJob, SubmitReply
from upnext_django.core.names import check_name
from upnext_django.exceptions import UpNextError

if TYPE_CHECKING:
    from upnext_django.declare.job import Job

__all__ = [
    "ArtifactStore",
    "Broker",
    "Delivery",
    "Handlers",
    "History",
    "Moment",
    "Observer",
    "Outbox",
    "Ports",
    "Sealer",
    "Secrets",
    "Sender",
    "Waiter",
    "artifacts",
    "broker",
    "configure",
    "get_environment",
    "history",
    "isolated",
    "observer",
    "outbox",
    "sealer",
    "secrets",
    "sender",
    "timezone",
]


class Waiter(Protocol):
    """A place where one job's ending arrives. Known to this process only until it is watched."""

    @property
    def done(self) -> bool: ...

    @property
    def is_unknown(self) -> bool:
        """Whether it is done because Redis does not know the job."""

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` in whatever thread the answer comes, or now if it is there."""

    async def ending(self, timeout: float | None) -> Ending:
        """Return how the job ended; raises the builtin TimeoutError after ``timeout`` seconds."""

    def ending_sync(self, timeout: float | None) -> Ending:
        """See ending()."""

    def close(self) -> None:
        """Forget it; safe to call twice."""


class Handlers(Protocol):
    """The handlers of events that workers announced."""

    async def of(self, event: str) -> Mapping[str, bytes]:
        """Return function -> definition (JSON of ``TaskDefinition.as_json()``)."""

    def of_sync(self, event: str) -> Mapping[str, bytes]:
        """See of()."""

    def last(self, event: str) -> Mapping[str, bytes] | None:
        """Return what was last read, however long ago, without asking Redis; None if nothing was."""


class Broker(Protocol):
    """What a submit and a wait ask of Redis."""

    client_id: str
    url_masked: str

    @property
    def handlers(self) -> Handlers: ...

    def listen(self, queue: str) -> None:
        """Read the replies of ``queue``, before a job of it is sent with ``reply``."""

    async def submit(self, jobs: Sequence[NewJob]) -> list[SubmitReply]: ...

    def submit_sync(self, jobs: Sequence[NewJob]) -> list[SubmitReply]: ...

    def submit_stream_sync(self, batches: Iterable[Sequence[NewJob]]) -> Iterable[list[SubmitReply]]:
        """Return the replies of each batch, in order; takes the next while Redis works on the last."""

    def submit_soon(self, job: NewJob) -> asyncio.Future[SubmitReply]:
        """Send ``job`` with whatever else the running loop submits meanwhile."""

    async def cancel(self, job_id: str, *, tree: bool = False) -> bool: ...

    def cancel_sync(self, job_id: str, *, tree: bool = False) -> bool: ...

    async def invalidate(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        """Drop what ``functions`` keep under a cache key; True if there was a value."""

    def invalidate_sync(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        """See invalidate()."""

    async def job(self, job_id: str) -> LiveJob | None: ...

    def job_sync(self, job_id: str) -> LiveJob | None: ...

    def expect(self, job_id: str) -> Waiter:
        """Return a waiter that Redis knows nothing of: for a job sent with ``reply``."""

    async def watch(self, waiter: Any) -> None:
        """Ask Redis to answer ``waiter``, one of expect()'s, at once if the job has ended.

        The waiter raises JobNotFound if Redis does not know the job.
        """

    def watch_sync(self, waiter: Any) -> None:
        """See watch()."""


@dataclass(slots=True, eq=False)
class Delivery:
    """What became of jobs that sync code handed to the sender.

    ``deferred`` leaves on commit: the sender then fills ``replies`` and says ``sent``. After a
    rollback it says ``discarded``. ``stored`` is committed to the outbox and leaves by the relay,
    whose replies nobody hears.
    """

    state: Literal["sent", "deferred", "stored", "discarded"]
    replies: list[SubmitReply] | None = None


class Sender(Protocol):
    """Decides when sync code's jobs leave: now, or with the transaction around them."""

    def defers(self, *, using: str | None, on_commit: bool) -> bool:
        """Return whether send() would hold a job back until a commit."""

    def keeps(self, *, on_commit: bool) -> bool:
        """Return whether send() would keep a job, in an outbox, that Redis does not take now.

        Where it neither keeps nor defers, send() is ``broker.submit_sync()`` and no more: a bulk submit
        then streams its batches to the broker instead.
        """

    def send(
        self, broker: Broker, jobs: Sequence[NewJob], *, using: str | None, on_commit: bool
    ) -> Delivery: ...


class History(Protocol):
    """Reads jobs that have left Redis."""

    def job(self, job_id: str) -> Job | None: ...

    async def ajob(self, job_id: str) -> Job | None: ...


class Outbox(Protocol):
    """Jobs that are committed to a database and not in Redis yet."""

    def job(self, job_id: str) -> Job | None: ...

    async def ajob(self, job_id: str) -> Job | None: ...

    def cancel(self, broker: Broker, job_id: str) -> bool | None:
        """Cancel a job of the outbox; None if it is not there, False if it has ended meanwhile."""

    async def acancel(self, broker: Broker, job_id: str) -> bool | None:
        """See cancel()."""


class Sealer(Protocol):
    """Encrypts the arguments of tasks that have ``sensitive`` ones."""

    def seal(self, plain: bytes) -> str: ...

    def open(self, sealed: str) -> bytes:
        """Return what seal() was given; raises EncryptionError if no key opens it."""

    def digest(self, plain: bytes) -> bytes:
        """Return what stands for ``plain`` and tells nothing of it without the key."""


class Secrets(Protocol):
    """Reads the secrets that Workers ask for."""

    def values(self, names: Collection[str]) -> Mapping[str, str]:
        """Return name -> value of those that are set. Raises EncryptionError, naming what no key opens."""


class ArtifactStore(Protocol):
    """Where the files of artifacts go. Both raise what the storage raises."""

    def save(self, path: str, content: bytes) -> str:
        """Write a file and return the name that it got, which may differ from ``path``."""

    async def asave(self, path: str, content: bytes) -> str:
        """See save(); by a thread."""


class Moment(StrEnum):
    """What an Observer hears of; RETRIED and TIMED_OUT are of one attempt, the rest of the job."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"


class Observer(Protocol):
    """Hears what becomes of the jobs that run in this process."""

    def listens(self) -> bool:
        """Return whether anybody wants to hear of anything. Asked twice for every job."""

    def hears(self, moment: Moment) -> bool:
        """Return whether anybody wants to hear of that."""

    def tell(self, moment: Moment, sender: Any, facts: Mapping[str, Any]) -> None:
        """Tell of a job of the task ``sender``, in the thread of a sync attempt."""

    async def atell(self, moment: Moment, sender: Any, facts: Mapping[str, Any]) -> None:
        """See tell(); in the loop of an async attempt."""


class Ports(TypedDict, total=False):
    """What configure() takes; a port that is left out keeps what it has."""

    environment: Callable[[], Environment]
    broker: Callable[[str | None], Broker]
    sender: Sender
    history: History | None
    outbox: Callable[[], Outbox | None]
    sealer: Callable[[], Sealer | None]
    secrets: Secrets | None
    artifacts: ArtifactStore | None
    observer: Observer | None
    timezone: Callable[[], str]


class _SendNow:
    """The sender without transactions."""

    def defers(self, *, using: str | None, on_commit: bool) -> bool:
        return False

    def keeps(self, *, on_commit: bool) -> bool:
        return False

    def send(self, broker: Broker, jobs: Sequence[NewJob], *, using: str | None, on_commit: bool) -> Delivery:
        return Delivery("sent", broker.submit_sync(jobs))


@lru_cache(maxsize=8)
def _environment_of(redis_url: str | None, namespace: str) -> Environment:
    return Environment(redis_url=redis_url, namespace=check_name("namespace", namespace))


def _environment_without_django() -> Environment:
    return _environment_of(
        os.environ.get("UPNEXT_REDIS_URL") or None,
        os.environ.get("UPNEXT_NAMESPACE") or "upnext",
    )


_brokers: dict[tuple[str, str], Broker] = {}


def _broker_without_django(url: str | None) -> Broker:
    environment = get_environment()
    address = url or environment.redis_url
    if address is None:
        raise UpNextError(
            "There is no Redis URL. Set the environment variable UPNEXT_REDIS_URL, like "
            "redis://localhost:6379/0, or give Worker(redis_url=...); in a Django project add "
            "'upnext_django' to INSTALLED_APPS and set UPNEXT['REDIS_URL']."
        )
    key = (address, environment.namespace)
    broker = _brokers.get(key)
    if broker is None:
        # Imported when Redis is needed: a module that only declares tasks loads no Redis client.
        from upnext_django.broker.broker import Broker as RedisBroker

        # Two threads may both make one; setdefault keeps the first, and the other held no connection.
        broker = _brokers.setdefault(key, RedisBroker(environment, url=address))
    return broker


_DEFAULTS: Ports = {
    "environment": _environment_without_django,
    "broker": _broker_without_django,
    "sender": _SendNow(),
    "history": None,
    "outbox": lambda: None,
    "sealer": lambda: None,
    "secrets": None,
    "artifacts": None,
    "observer": None,
    "timezone": lambda: "UTC",
}
_ports: Ports = _DEFAULTS


def configure(**ports: Unpack[Ports]) -> None:
    """Replace the given ports for the whole process; the others stay.

    ``environment``, ``outbox`` and ``sealer`` are called at each use, ``broker`` with the URL of a worker or
    None for the setting's; it keeps one broker a URL itself.
    """
    global _ports
    _ports = {**_ports, **ports}


@contextmanager
def isolated() -> Iterator[None]:
    """Have the ports that need no Django for the block, and put back those there were; for tests."""
    global _ports
    kept, _ports = _ports, _DEFAULTS
    try:
        yield
    finally:
        _ports = kept


def get_environment() -> Environment:
    """Return the settings as they are now."""
    return _ports["environment"]()


def broker(url: str | None = None) -> Broker:
    """Return this process's broker for ``url``; None is the setting's. Does not connect."""
    return _ports["broker"](url)


def sender() -> Sender:
    """Return what sends the jobs of sync code."""
    return _ports["sender"]


def history() -> History | None:
    """Return the reader of jobs that left Redis, None where there is no history."""
    return _ports["history"]


def outbox() -> Outbox | None:
    """Return where jobs wait that Redis does not have yet, None where there is no outbox."""
    return _ports["outbox"]()


def sealer() -> Sealer | None:
    """Return what encrypts sensitive arguments, None where no key is configured.

    Raises EncryptionError if there are keys and cryptography is not installed.
    """
    return _ports["sealer"]()


def secrets() -> Secrets | None:
    """Return the reader of secrets, None where there is no database."""
    return _ports["secrets"]


def artifacts() -> ArtifactStore | None:
    """Return the storage of artifacts, None without Django."""
    return _ports["artifacts"]


def observer() -> Observer | None:
    """Return what hears of the jobs that run here, None without Django."""
    return _ports["observer"]


def timezone() -> str:
    """Return the zone of the schedules that name none: Django's ``TIME_ZONE``, without Django UTC."""
    return _ports["timezone"]()
