"""Whatever becomes of a job with sensitive arguments, no key, no table and no log has one readable."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
import redis
from django.apps import apps
from django.db import connection
from django.test import override_settings

import upnext_django as upnext
from tests.django import vault_tasks as tasks
from tests.keys import KEY
from tests.leaks import delete_namespace
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord, LogRecord
from upnext_django.operations import dead_letters

#: With letters that no id has: four digits alone stand in one id of some thousands.
CARD = "visa4242-<\"é'>-1881visa"
#: Longer than a moment in ms, which might else have its digits.
PIN = 987_123_456_789_012
#: The forms in which the card could stand somewhere: as it is, and as Python and JSON escape it.
FORMS = (CARD, "1881visa", "visa4242", "\\u00e9")

pytestmark = pytest.mark.usefixtures("worker", "rows")


@pytest.fixture(scope="module")
def project(valkey_url: str) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": name, "SECRETS_KEYS": [KEY]}):
        yield name
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, name)


@pytest.fixture(scope="module")
def worker(
    project: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory, committed: None
) -> Iterator[RunningWorker]:
    with running_worker(
        "tests.fundamentals.settings",
        redis_url=valkey_url,
        namespace=project,
        tasks="tests.django.vault_tasks",
        log=tmp_path_factory.mktemp("worker") / "worker.log",
        environment={"UPNEXT_EXAMPLE_DATABASE": database_url(), "UPNEXT_EXAMPLE_SECRETS_KEYS": KEY},
    ) as running:
        yield running


@pytest.fixture
def places(project: str, worker: RunningWorker, valkey_url: str) -> Callable[..., list[str]]:
    """Give the search for texts in the project's keys, in every table, and in what the worker printed.

    It returns the places that have one of them.
    """

    def search(*texts: str) -> list[str]:
        with redis.Redis.from_url(valkey_url) as client:
            contents = dict(in_redis(client, project))
        contents |= dict(in_tables())
        contents["the worker"] = worker.printed()
        return [place for place, content in contents.items() if any(text in content for text in texts)]

    return search


def in_redis(client: redis.Redis, namespace: str) -> Iterator[tuple[str, str]]:
    """Yield each key of the namespace with all that it has."""
    for key in client.scan_iter(f"un:{{{namespace}*", count=1000):
        content: object
        match client.type(key):
            case b"hash":
                content = client.hgetall(key)
            case b"stream":
                content = client.xrange(key)
            case b"zset":
                content = client.zrange(key, 0, -1, withscores=True)
            case b"set":
                content = client.smembers(key)
            case b"list":
                content = client.lrange(key, 0, -1)
            case _:
                content = client.get(key)
        yield key.decode(), f"{key.decode()} {content!r}"


def in_tables() -> Iterator[tuple[str, str]]:
    """Yield each table of upnext_django with all that it has."""
    for model in apps.get_app_config("upnext").get_models():
        if not model._meta.managed:
            continue  # a page without a table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            yield model._meta.db_table, repr(cursor.fetchall())


def row_at_the_end(job_id: str) -> JobRecord:
    """Return the row of a job once the history has its end and its logs."""

    def ended() -> JobRecord | None:
        return JobRecord.objects.filter(pk=job_id, status__in=[status.value for status in TERMINAL]).first()

    row = wait_until(ended, "the history has the end of the job", timeout=20)
    assert row is not None
    return row


def test_the_search_finds_what_is_not_sensitive(places):
    future = tasks.charge_all.submit(0, "8888-9999")
    row_at_the_end(future.job_id)

    found = places("8888-9999")

    assert "upnext_jobrecord" in found
    assert any(place.endswith(f"job:{future.job_id}") for place in found)


def test_a_job_that_succeeds(places):
    future = tasks.charge.submit("ada", card=CARD)
    assert places(*FORMS) == []

    assert future.value_sync(timeout=20) == tasks.proof_of("ada", CARD)

    row = row_at_the_end(future.job_id)
    assert row.arguments == {"args": ["ada"], "kwargs": {"card": "[redacted]"}}
    assert (row.progress_message, row.checkpoint) == ("half of [hidden]", "[hidden]")
    messages = list(LogRecord.objects.filter(job_id=row.pk).values_list("message", flat=True))
    assert any("about [hidden] and" in message for message in messages)
    assert any("LookupError: [hidden]" in message for message in messages)
    assert upnext.get_job(row.pk).kwargs == {"card": "[hidden]"}
    assert places(*FORMS) == []


def test_a_value_inside_of_an_object_and_its_number(places):
    account = uuid.uuid4()
    card = tasks.Card(number=CARD, pin=PIN)
    future = tasks.charge_in_thread.submit("ada", card, account=account)

    assert future.value_sync(timeout=20) == tasks.proof_of("ada", CARD, PIN)

    row = row_at_the_end(future.job_id)
    assert row.arguments == {"args": ["ada", "[hidden]"], "kwargs": {"account": str(account)}}
    assert places(*FORMS, str(PIN)) == []


def test_a_dead_letter_its_replay_and_its_edit(places):
    future = tasks.decline.submit("ada", CARD, phrase="open sesame")
    with pytest.raises(upnext.TaskExecutionError) as caught:
        future.result_sync(timeout=20)

    assert caught.value.error == "ValueError: declined [hidden] of ada: [hidden]"
    wait_until(lambda: DeadLetterRecord.objects.filter(pk=future.job_id).exists(), "it is a dead letter")
    traceback = AttemptRecord.objects.get(job_id=future.job_id).traceback
    assert traceback is not None
    assert "KeyError: '[hidden]'" in traceback
    assert "asked with '[hidden]'" in traceback
    assert places(*FORMS, "sesame") == []

    again = dead_letters.replay(future.job_id)
    row = row_at_the_end(again)
    assert row.status == "failed"
    assert row.arguments == {"args": ["ada", "[hidden]"], "kwargs": {"phrase": "[hidden]"}}

    edited = dead_letters.replay(again, args=["bob", row.arguments["args"][1]])
    row = row_at_the_end(edited)
    assert row.result == tasks.proof_of("bob", CARD, "open sesame")
    assert row.arguments == {"args": ["bob", "[hidden]"], "kwargs": {"phrase": "[hidden]"}}
    assert places(*FORMS, "sesame") == []


def test_an_edit_may_change_the_sensitive_value_alone(places):
    failed = tasks.decline.submit("ada", CARD).job_id
    row_at_the_end(failed)

    edited = dead_letters.replay(failed, args=["bob", "[hidden]"], kwargs={"phrase": "new sesame"})

    assert row_at_the_end(edited).result == tasks.proof_of("bob", CARD, "new sesame")
    assert places(*FORMS, "new sesame") == []


def test_a_mask_where_nothing_was_masked_is_refused(places):
    failed = tasks.decline.submit("ada", CARD).job_id
    row_at_the_end(failed)

    with pytest.raises(upnext.UpNextError, match="Give the value itself"):
        dead_letters.replay(failed, kwargs={"phrase": "[hidden]"})

    assert DeadLetterRecord.objects.get(pk=failed).replayed_as is None


def test_an_edit_does_not_tell_a_kept_value_that_does_not_fit():
    failed = tasks.change_plan.submit("visa4242-1881visa").job_id  # type: ignore[arg-type]
    row_at_the_end(failed)

    with pytest.raises(upnext.ArgumentError, match=r"'\[hidden\]' is not a valid Plan"):
        dead_letters.replay(failed, kwargs={"user": "bob"})


def test_children_of_a_parent(places):
    assert tasks.top.submit(CARD).value_sync(timeout=20) == [
        tasks.proof_of(f"user-{number}", CARD) for number in range(2)
    ]

    assert places(*FORMS) == []


def test_an_event(places):
    (future,) = tasks.opened.send_sync(user="ada", card=CARD)

    assert future.value_sync(timeout=20) == tasks.proof_of("ada", CARD)
    assert row_at_the_end(future.job_id).arguments == {
        "args": [],
        "kwargs": {"user": "ada", "card": "[redacted]"},
    }
    assert places(*FORMS) == []


def test_an_argument_that_does_not_fit_is_not_told(places):
    """The worker's error about a value that the annotation refuses repeats no value."""
    future = tasks.change_plan.submit("visa4242-1881visa")  # type: ignore[arg-type]
    with pytest.raises(upnext.TaskExecutionError, match=r"'\[hidden\]' is not a valid Plan"):
        future.result_sync(timeout=20)

    row_at_the_end(future.job_id)
    assert places("visa4242", "1881visa") == []
