"""Names of everything in Redis. ``docs/explanation/engine.md`` says what each holds."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NamespaceKeys", "QueueKeys", "stream_name"]


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """Keys of one queue. They share a hash tag, so a queue lies on one shard of a cluster."""

    namespace: str
    queue: str
    #: What all of them begin with.
    prefix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"un:{{{self.namespace}:{self.queue}}}:")

    def job(self, job_id: str) -> str:
        return f"{self.prefix}job:{job_id}"

    def children(self, job_id: str) -> str:
        return f"{self.prefix}children:{job_id}"

    def bell(self, capability: str) -> str:
        return f"{self.prefix}bell:{capability}"

    def inbox(self, worker_id: str) -> str:
        return f"{self.prefix}inbox:{worker_id}"

    def replies(self, client_id: str) -> str:
        return f"{self.prefix}replies:{client_id}"

    def function(self, function: str) -> str:
        return f"{self.prefix}function:{function}"

    def stream(self, name: str) -> str:
        """The key of a stream's name; see stream_name()."""
        return f"{self.prefix}{name}"

    def rate(self, partition: str) -> str:
        return f"{self.prefix}rate:{partition}"

    def knows(self, function: str) -> str:
        return f"{self.prefix}knows:{function}"

    def dead(self, function: str) -> str:
        return f"{self.prefix}dead:{function}"

    @property
    def streams(self) -> str:
        return f"{self.prefix}streams"

    @property
    def scheduled(self) -> str:
        return f"{self.prefix}scheduled"

    @property
    def paused(self) -> str:
        return f"{self.prefix}paused"

    @property
    def ticks(self) -> str:
        return f"{self.prefix}cron"

    @property
    def events(self) -> str:
        return f"{self.prefix}events"


@dataclass(frozen=True, slots=True)
class NamespaceKeys:
    """Keys that belong to no queue. No job script touches them."""

    namespace: str

    @property
    def prefix(self) -> str:
        return f"un:{{{self.namespace}}}:"

    @property
    def queues(self) -> str:
        return f"{self.prefix}queues"

    @property
    def functions(self) -> str:
        return f"{self.prefix}functions"

    @property
    def workers(self) -> str:
        return f"{self.prefix}workers"

    def handlers(self, event: str) -> str:
        return f"{self.prefix}handlers:{event}"

    def given_id(self, text: str) -> str:
        return f"{self.prefix}id:{text}"

    @property
    def mirror_lease(self) -> str:
        return f"{self.prefix}lease:mirror"

    def turn(self, name: str) -> str:
        """Whose turn it is to do what one process of the namespace does."""
        return f"{self.prefix}lease:{name}"

    def relay_lease(self, label: str) -> str:
        """``label`` is what rows of the outbox call this Redis; "" is that of the settings."""
        return f"{self.prefix}lease:relay:{label}" if label else f"{self.prefix}lease:relay"

    def once(self, digest: str) -> str:
        """What was asked for under an idempotency key of the API."""
        return f"{self.prefix}once:{digest}"

    @property
    def feed(self) -> str:
        return f"{self.prefix}feed"

    @property
    def config(self) -> str:
        return f"{self.prefix}config"


def stream_name(function: str, lane: int, digest: str = "") -> str:
    """Return the name (without the queue's prefix) of the stream that holds such jobs."""
    return f"stream:{function}:{lane}:{digest}" if digest else f"stream:{function}:{lane}"
