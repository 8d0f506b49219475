"""The metrics as Prometheus's own parser reads them, and what a scrape costs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.broker.lab import FUNCTION, QUEUE, Lab, new_job
from upnext_django.broker.census import QueueCensus
from upnext_django.broker.counts import Limits, QueueCounts
from upnext_django.broker.lines import Line
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.embedded import EmbeddedValkey
from upnext_django.models import StatRecord
from upnext_django.operations.fleet import Crew, WorkerReport
from upnext_django.operations.metrics import demand, exposition
from upnext_django.operations.metrics.families import Collector

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str | None = None) -> Samples:
    """Return the values by name and labels."""
    families = text_string_to_metric_families(exposition.text().decode() if text is None else text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"upnext_{name}", frozenset(labels.items())))


def test_what_waits_and_runs_is_told_by_queue_function_and_lane(lab: Lab):
    lab.claim_one()
    lab.submit(*(new_job() for _ in range(3)), new_job(lane=0))

    found = samples()

    where = {"queue": QUEUE, "function": FUNCTION}
    assert value(found, "jobs_waiting", **where, lane="high") == 1
    assert value(found, "jobs_waiting", **where, lane="normal") == 3
    assert value(found, "jobs_running", **where) == 1
    assert value(found, "events_waiting", queue=QUEUE) == 3
    assert value(found, "redis_up") == value(found, "database_up") == 1
    oldest = value(found, "oldest_waiting_seconds", **where)
    assert oldest is not None
    assert 0 <= oldest < 60


def test_delayed_jobs_pauses_and_dead_letters_are_told(lab: Lab):
    claimed = lab.claim_one()
    lab.submit(new_job(delay_ms=3_600_000))
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED)
    lab.run(b"HSET", f"un:{{{lab.keys.namespace}}}:functions", FUNCTION, "{}")
    lab.pause(None)

    found = samples()

    assert value(found, "jobs_scheduled", queue=QUEUE) == 1
    assert value(found, "queue_paused", queue=QUEUE) == 1
    assert value(found, "queue_truncated", queue=QUEUE) == 0
    assert value(found, "dead_letters", queue=QUEUE, function=FUNCTION) == 1


def test_ends_and_durations_are_counted_by_the_mirror(lab: Lab, mirror: Callable[[], None]):
    def end(status: JobStatus, ran_ms: int) -> None:
        claimed = lab.claim_one()
        data = SettleData(attempt=1, started_ms=lab.now_ms() - ran_ms)
        lab.settle(claimed.id, claimed.token, status, msgspec.json.encode(data))

    end(JobStatus.COMPLETE, 30)
    end(JobStatus.COMPLETE, 1_200)
    end(JobStatus.FAILED, 70_000)
    mirror()

    found = samples()

    where = {"queue": QUEUE, "function": FUNCTION}
    assert value(found, "jobs_ended_total", **where, status="complete") == 2
    assert value(found, "jobs_ended_total", **where, status="failed") == 1
    by = "attempt_duration_seconds"
    assert value(found, f"{by}_bucket", function=FUNCTION, le="0.02") == 0
    assert value(found, f"{by}_bucket", function=FUNCTION, le="10.0") == 2
    assert value(found, f"{by}_bucket", function=FUNCTION, le="300.0") == 3
    assert value(found, f"{by}_bucket", function=FUNCTION, le="+Inf") == 3
    assert value(found, f"{by}_count", function=FUNCTION) == 3
    total = value(found, f"{by}_sum", function=FUNCTION)
    assert total is not None
    assert 71.2 <= total < 90


def test_counters_never_fall_when_old_rows_go(lab: Lab, mirror: Callable[[], None]):
    claimed = lab.claim_one()
    lab.settle(claimed.id, claimed.token, JobStatus.RETRYING, delay_ms=3_600_000)
    mirror()

    StatRecord.objects.exclude(period=0).delete()

    assert value(samples(), "retries_total", queue=QUEUE, function=FUNCTION) == 1


def test_without_a_history_there_are_no_counters(lab: Lab):
    with override_settings(
        UPNEXT={"REDIS_URL": lab.link.url, "NAMESPACE": lab.keys.namespace, "HISTORY": False}
    ):
        names = {name for name, _ in samples()}

    assert "upnext_redis_up" in names
    assert not names & {"upnext_database_up", "upnext_mirror_up", "upnext_mirror_lag_seconds"}


def test_while_redis_is_away_the_rest_is_told(rows: None):
    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1"}):
        found = samples()

    assert value(found, "redis_up") == 0
    assert value(found, "database_up") == 1
    assert value(found, "workers") is None


def test_names_of_any_kind_keep_the_format(lab: Lab):
    StatRecord.objects.create(
        period=0,
        start=timezone.now(),
        function='a"b\\c\nd',
        queue="q",
        outcome="complete",
        bound_ms=5,
        jobs=2,
    )

    assert value(samples(), "jobs_ended_total", queue="q", function='a"b\\c\nd', status="complete") == 2


def test_a_project_with_a_registry_of_its_own_adds_them_there(lab: Lab):
    lab.submit_one()
    registry = CollectorRegistry()
    registry.register(Collector())

    found = samples(generate_latest(registry).decode())

    assert value(found, "jobs_waiting", queue=QUEUE, function=FUNCTION, lane="normal") == 1


def test_without_the_extra_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(ImproperlyConfigured, match=r"pip install 'upnext-django\[metrics\]'"):
        exposition.text()


class TestTheCost:
    @pytest.fixture
    def server(self) -> Iterator[redis.Redis]:
        """Give a client of a server that nobody else talks to."""
        with tempfile.TemporaryDirectory(prefix="upnext-") as folder:
            server = EmbeddedValkey.ephemeral(Path(folder))
            url = server.ensure()
            with redis.Redis.from_url(url) as client, override_settings(UPNEXT={"REDIS_URL": url}):
                yield client
            server.release()

    def fill(self, url: str, queues: int) -> None:
        for number in range(queues):
            lab = Lab(url, "upnext", queue=f"queue-{number}")
            lab.register("shop.a", "shop.b")
            lab.submit(*(new_job(name, queue=f"queue-{number}") for name in ("shop.a", "shop.b")))
            lab.run(b"SADD", "un:{upnext}:queues", f"queue-{number}")
            lab.close()

    def cost(self, client: redis.Redis) -> tuple[int, int]:
        """Return how often the server had to read, and the queries, of one scrape."""
        exposition.text()  # opens the connections
        before = client.info("stats")["total_reads_processed"]
        with CaptureQueriesContext(connection) as queries:
            exposition.text()
        return client.info("stats")["total_reads_processed"] - before, len(queries)

    def test_a_scrape_costs_the_same_however_many_queues_and_functions_there_are(
        self, server: redis.Redis, rows: None
    ):
        url = "unix://" + server.connection_pool.connection_kwargs["path"]
        self.fill(url, 1)
        few = self.cost(server)
        self.fill(url, 12)

        assert self.cost(server) == few
        assert few == (5, 2)  # four round trips, and the one that asks for the cost


# -- how many workers there should be


def queue(
    waiting: int = 0, running: int = 0, *, paused: bool = False, digest: str = "", **limits: int | bool
) -> QueueCensus:
    counts = QueueCounts(paused=paused, scheduled=0, events=0, first_event_ms=None, next_due_ms=None)
    line = Line(
        name="", function="m.f", lane="1", digest=digest, waiting=waiting, running=running, last="0-0"
    )
    return QueueCensus(name="q", counts=counts, lines=[line], limits={"m.f": Limits(**limits)})  # type: ignore[arg-type]


def worker(slots: int = 10, suspended: int = 0, waiting: frozenset[str] = frozenset()) -> WorkerReport:
    crew = Crew(name="w", slots=slots, used=0, suspended=suspended, capabilities={})
    return WorkerReport(
        id="w",
        host="h",
        pid=1,
        version="",
        state="running",
        started_ms=None,
        functions=frozenset(),
        queues=("q",),
        age_s=0.0,
        running=0,
        stuck_threads=0,
        waiting_for_children=waiting,
        crews=(crew,),
    )


@pytest.mark.parametrize(
    ("one", "mean_s", "slots"),
    [
        (queue(), {}, 0),
        (queue(6_000), {"m.f": 0.1}, 10),
        (queue(1), {"m.f": 3_600.0}, 1),
        (queue(5, 3), {"m.f": 3_600.0}, 8),
        (queue(120), {}, 2),
        (queue(100, paused=True), {"m.f": 60.0}, 0),
        (queue(100, paused=False, running=0), {"m.f": 60.0}, 100),
    ],
    ids=["nothing", "short jobs", "a long job", "busy", "unknown", "paused queue", "as long as the goal"],
)
def test_what_waits_needs_as_many_slots_as_start_it_in_a_minute(
    one: QueueCensus, mean_s: dict[str, float], slots: int
):
    assert demand.slots_wanted([one], [], mean_s) == {"q": slots}


def test_what_its_limits_hold_back_needs_no_slot():
    long = {"m.f": 60.0}

    assert demand.slots_wanted([queue(100, 2, cap=5)], [], long) == {"q": 5}
    assert demand.slots_wanted([queue(100, rate=10, window_ms=1000)], [], long) == {"q": 10}
    paused = queue(100)
    paused.limits["m.f"] = Limits(paused=True)
    assert demand.slots_wanted([paused], [], long) == {"q": 0}


def test_parents_that_wait_for_their_children_hold_no_slot():
    parents = frozenset({new_job_id("q"), new_job_id("q"), new_job_id("elsewhere"), new_job_id("elsewhere")})

    found = demand.slots_wanted([queue(running=100)], [worker(suspended=80, waiting=parents)], {})

    assert found == {"q": 60}


def test_workers_are_as_large_as_those_that_run_and_there_is_one_at_least():
    assert demand.workers_wanted({"q": 41}, [worker(slots=10), worker(slots=30)]) == 3
    assert demand.workers_wanted({"q": 0}, [worker()]) == 1
    assert demand.workers_wanted({}, []) == 1


def test_the_mean_is_that_of_the_last_hour(db: None):
    from upnext_django.operations.metrics.totals import recent_mean_s

    now = timezone.now()
    columns = {"period": 60, "function": "m.f", "queue": "q", "outcome": "complete"}
    StatRecord.objects.create(**columns, start=now, bound_ms=500, jobs=4, ran_ms=1_000)
    StatRecord.objects.create(**columns, start=now, bound_ms=0, jobs=9, ran_ms=0)
    StatRecord.objects.create(
        **columns, start=now - timedelta(hours=2), bound_ms=5_000, jobs=4, ran_ms=16_000
    )

    assert recent_mean_s(now) == {"m.f": 0.25}
