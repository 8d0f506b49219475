"""A site with a worker that runs: what every test of the browser looks at."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test import override_settings
from django.test.testcases import LiveServerThread

from tests.browser import tasks
from tests.keys import KEY
from tests.leaks import delete_namespace
from tests.waiting import wait_until
from tests.workers import database_url, running_worker
from upnext_django.models import BulkAction, DeadLetterRecord, FunctionRecord, JobRecord, Secret, WorkerRecord
from upnext_django.operations import secrets
from upnext_django.operations.bulk import begin
from upnext_django.operations.bulk.selection import NOTHING, Selection
from upnext_django.operations.bulk.verb import BulkVerb

__all__ = ["NAME", "PASSWORD", "Site", "elsewhere", "running_site"]

NAME = "ann"
PASSWORD = "a password of the test"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The address of the site, its Redis, and the jobs whose pages are looked at."""

    url: str
    redis_url: str
    namespace: str
    failed: str
    succeeded: str
    parent: str
    running: str
    worker_id: str


@contextmanager
def running_site(valkey_url: str, folder: Path) -> Iterator[Site]:
    """Give a site with a history, whose worker goes on running."""
    namespace = f"test-{uuid.uuid4().hex}"
    own: dict[str, Any] = {
        "UPNEXT": {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY]},
        "MIDDLEWARE": [*settings.MIDDLEWARE, "tests.browser.policy.strict_policy"],
    }
    with override_settings(**own):
        with running_worker(
            "tests.django.settings",
            redis_url=valkey_url,
            namespace=namespace,
            tasks="tests.browser.tasks",
            log=folder / "worker.log",
            environment={"UPNEXT_EXAMPLE_DATABASE": database_url(), "UPNEXT_EXAMPLE_SECRETS_KEYS": KEY},
        ):
            jobs, worker_id = _make_history()
            secrets.put("stripe_key", "a secret of the test")
            user = User.objects.create_superuser(NAME, password=PASSWORD)
            server = LiveServerThread("127.0.0.1", StaticFilesHandler)
            server.daemon = True
            server.start()
            server.is_ready.wait()
            if server.error:
                raise server.error
            yield Site(
                url=f"http://127.0.0.1:{server.port}",
                redis_url=valkey_url,
                namespace=namespace,
                failed=jobs["fails"],
                succeeded=jobs["succeeds"],
                parent=jobs["parent"],
                running=jobs["waits_below"],
                worker_id=worker_id,
            )
            server.terminate()
            user.delete()
            BulkAction.objects.all().delete()
            Secret.objects.all().delete()
        with redis.Redis.from_url(valkey_url) as client:
            delete_namespace(client, namespace)


def elsewhere(ask: Callable[[], T]) -> T:
    """Return what ``ask`` returns in a thread of its own: in that of Playwright a loop runs."""

    def asked() -> T:
        try:
            return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asked).result()


def _make_history() -> tuple[dict[str, str], str]:
    """Let the worker run each task and wait for the rows; of the ids of the jobs one goes on running."""
    jobs = {
        "fails": tasks.fails.submit_sync(tasks.HOSTILE).job_id,
        "succeeds": tasks.succeeds.submit_sync(tasks.HOSTILE, link=tasks.URL).job_id,
        "parent": tasks.parent.submit_sync().job_id,
        "named": tasks.named.submit_sync(tasks.HOSTILE).job_id,
    }
    ended = JobRecord.objects.filter(id__in=jobs.values(), completed_at__isnull=False)
    wait_until(lambda: ended.count() == len(jobs), "the rows say that the jobs have ended", timeout=30)
    jobs["waits_below"] = tasks.waits_below.submit_sync().job_id
    below = JobRecord.objects.filter(parent_id=jobs["waits_below"], status="active")
    wait_until(below.exists, "the row of a job below another says that it runs", timeout=30)
    letters = DeadLetterRecord.objects.filter(job_id=jobs["fails"])
    wait_until(letters.exists, "the dead letter has a row")
    functions = FunctionRecord.objects.filter(queue="browser-tests")
    wait_until(lambda: functions.count() >= 8, "the functions have rows")
    _delete_nothing()
    worker_id = JobRecord.objects.values_list("worker_id", flat=True).get(id=jobs["succeeds"])
    assert worker_id is not None
    wait_until(WorkerRecord.objects.filter(id=worker_id).exists, "the worker has a row")
    return jobs, worker_id


def _delete_nothing() -> None:
    """Let the worker have done a bulk action, whose page is looked at."""
    nothing = Selection(clauses=[NOTHING], words=[f"search: {tasks.HOSTILE}"])
    action = begin.start(BulkVerb.DELETE, nothing, by="a test")
    wait_until(lambda: not begin.get(action.pk).is_open, "the worker has ended the bulk action", timeout=30)
