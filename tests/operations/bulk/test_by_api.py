"""Actions on many over the REST API: begun by a program, done by a worker, watched, stopped, resumed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from tests.api.asking import Program
from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.models import BulkAction, DeadLetterRecord, JobRecord
from upnext_django.models.token import SCOPES
from upnext_django.operations import dead_letters, tokens
from upnext_django.operations.bulk import begin, walk
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb

pytestmark = pytest.mark.databases

Make = Callable[[int], list[str]]
Work = Callable[[], None]
Person = Callable[..., User]

EVERYTHING = ("view_bulkaction", "view_jobrecord", "view_deadletterrecord", "retry_job", "cancel_job")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_WINDOW", 4)
    cache.clear()


def program(user: User, *scopes: str) -> Program:
    return Program(tokens.create("robot", owner=user, scopes=scopes or SCOPES)[1])


@pytest.fixture
def root(person: Person) -> Program:
    user = person(name="root")
    user.is_superuser = True
    user.save()
    return program(user)


def status(key: str) -> str:
    job = get_broker().job_sync(key)
    assert job is not None
    return str(job.status)


def begun(caller: Program, what: str, body: dict[str, Any], key: str | None = None) -> int:
    code, made = caller.post(f"/bulk-actions/{what}", body, key=key)
    assert code == 202, made
    return int(made["id"])


def test_all_that_match_are_cancelled_and_watched(root: Program, waiting: Make, work: Work):
    keys, others = waiting(10), waiting(2)
    JobRecord.objects.filter(pk__in=others).update(queue="other")

    number = begun(root, "cancel-jobs", {"queue": "mail", "function": "send"})
    _, before = root.get(f"/bulk-actions/{number}")
    work()
    _, after = root.get(f"/bulk-actions/{number}")

    assert (before["status"], before["is_served"]) == ("waiting", False)
    assert (after["status"], after["total"], after["done"], after["refused"]) == ("done", 10, 10, 0)
    assert after["which"] == ["function: send", "queue: mail"]
    assert (after["asked_by"].partition(" ")[0], after["verb"]) == ("root", "cancel")
    assert {status(key) for key in keys} == {"cancelled"}
    assert {status(key) for key in others} == {"queued"}


@pytest.mark.parametrize("what", ["retry-jobs", "replay-dead-letters"])
def test_all_that_failed_run_again(root: Program, lab: Lab, failed: Make, work: Work, what: str):
    failed(6)

    number = begun(root, what, {"function": FUNCTION, "error_type": "ValueError"})
    work()

    _, action = root.get(f"/bulk-actions/{number}")
    assert (action["status"], action["done"]) == ("done", 6)
    assert lab.run(b"XLEN", lab.keys.stream(f"stream:{FUNCTION}:1")) == 6


def test_the_same_key_begins_one_action(root: Program, waiting: Make):
    waiting(1)

    first = begun(root, "cancel-jobs", {"queue": "mail"}, key="k1")
    again = begun(root, "cancel-jobs", {"queue": "mail"}, key="k1")
    other, problem = root.post("/bulk-actions/cancel-jobs", {"queue": "other"}, key="k1")

    assert first == again
    assert other == 422
    assert problem["errors"][0]["field"] == "header.Idempotency-Key"
    assert BulkAction.objects.count() == 1


def test_requests_of_one_key_at_once_begin_one_action(root: Program, waiting: Make, monkeypatch: Any):
    waiting(1)
    answers = []
    start = begin.start

    def meanwhile(*args: Any, **kwargs: Any) -> BulkAction:
        monkeypatch.setattr(begin, "start", start)
        answers.append(begun(root, "cancel-jobs", {"queue": "mail"}, key="k1"))
        return start(*args, **kwargs)

    monkeypatch.setattr(begin, "start", meanwhile)
    answers.append(begun(root, "cancel-jobs", {"queue": "mail"}, key="k1"))

    assert answers[0] == answers[1]
    assert BulkAction.objects.count() == 1
    assert LogEntry.objects.filter(content_type__model="bulkaction").count() == 1


def test_times_leave_out_what_is_older_and_younger(root: Program, waiting: Make, work: Work):
    old, now_, late = waiting(2), waiting(3), waiting(1)
    moment = timezone.now()
    JobRecord.objects.filter(pk__in=old).update(created_at=moment - timedelta(days=2))
    JobRecord.objects.filter(pk__in=late).update(created_at=moment - timedelta(seconds=1))
    window = {
        "created_from": (moment - timedelta(days=1)).isoformat(),
        "created_before": (moment - timedelta(seconds=3)).isoformat(),
    }

    begun(root, "cancel-jobs", window)
    work()

    assert {status(key) for key in now_} == {"cancelled"}
    assert {status(key) for key in [*old, *late]} == {"queued"}


def test_dead_letters_are_discarded_by_time(root: Program, failed: Make, work: Work, mirror: Work):
    old, new = failed(2), failed(2)
    moment = timezone.now() - timedelta(days=1)
    DeadLetterRecord.objects.filter(pk__in=old).update(failed_at=moment - timedelta(days=1))

    begun(root, "discard-dead-letters", {"failed_before": moment.isoformat()})
    work()
    mirror()

    assert set(dead_letters.open_letters().values_list("pk", flat=True)) == set(new)


def test_jobs_that_ended_are_deleted(root: Program, failed: Make, waiting: Make, work: Work):
    failed(3)
    live = waiting(2)
    DeadLetterRecord.objects.all().delete()

    begun(root, "delete-jobs", {"queue": "mail"})
    work()

    assert set(JobRecord.objects.values_list("pk", flat=True)) == set(live)


def test_it_is_stopped_and_goes_on_where_it_was(root: Program, waiting: Make, work: Work):
    keys = waiting(5)
    number = begun(root, "cancel-jobs", {"queue": "mail"})

    stopped, told = root.post(f"/bulk-actions/{number}/stop")
    work()
    untouched = {status(key) for key in keys}
    twice, problem = root.post(f"/bulk-actions/{number}/stop")
    resumed, _ = root.post(f"/bulk-actions/{number}/resume")
    work()
    over, ended = root.post(f"/bulk-actions/{number}/resume")

    assert (stopped, told["status"], untouched) == (202, "stopped", {"queued"})
    assert (twice, problem["state"]) == (409, "stopped")
    assert resumed == 202
    assert {status(key) for key in keys} == {"cancelled"}
    assert (over, ended["state"]) == (409, "done")


def test_the_list_has_pages_the_newest_first(root: Program, lab: Lab):
    numbers = [begin.start(BulkVerb.CANCEL, Selection(), by="a script").pk for _ in range(5)]
    seen: list[int] = []
    cursor = None
    while True:
        _, page = root.get("/bulk-actions", limit=2, **({} if cursor is None else {"cursor": cursor}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == numbers[::-1]
    assert root.get("/bulk-actions", cursor="bm8")[0] == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"queue": None}, "body"),
        ({"queu": "mail"}, "body.queu"),
        ({"status": "lost"}, "body.status"),
        ({"created_from": 7}, "body.created_from"),
    ],
    ids=str,
)
def test_what_names_no_jobs_or_nonsense_is_refused(root: Program, lab: Lab, body: dict[str, Any], field: str):
    code, problem = root.post("/bulk-actions/delete-jobs", body)

    assert code == 422
    assert problem["errors"][0]["field"].startswith(field)
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize("verb", BulkVerb, ids=str)
def test_each_action_needs_the_permission_of_what_it_does(person: Person, lab: Lab, verb: BulkVerb):
    what = {
        BulkVerb.RETRY: "retry-jobs",
        BulkVerb.CANCEL: "cancel-jobs",
        BulkVerb.DELETE: "delete-jobs",
        BulkVerb.REPLAY: "replay-dead-letters",
        BulkVerb.DISCARD: "discard-dead-letters",
    }[verb]
    seeing, acting = VERBS[verb].codenames
    only_sees, may = program(person(seeing, name="ann")), program(person(seeing, acting, name="bob"))

    refused, _ = only_sees.post(f"/bulk-actions/{what}", {"queue": "mail"})
    allowed, _ = may.post(f"/bulk-actions/{what}", {"queue": "mail"})

    assert (refused, allowed) == (403, 202)


def test_to_stop_and_resume_it_needs_what_it_does(person: Person, lab: Lab):
    owner = person(*EVERYTHING, name="ann")
    action = begin.start(BulkVerb.CANCEL, Selection(), by=owner)
    watcher = program(person("view_bulkaction", name="bob"))
    other = program(person(*EVERYTHING, name="cem"))
    reader = program(owner, "read")

    codes = [one.post(f"/bulk-actions/{action.pk}/stop")[0] for one in (watcher, reader, other)]
    resumes = [one.post(f"/bulk-actions/{action.pk}/resume")[0] for one in (watcher, other, program(owner))]

    assert codes == [403, 403, 202]
    assert resumes == [403, 403, 202]


def test_there_are_no_other_actions(root: Program, lab: Lab):
    codes = [root.get("/bulk-actions/7")[0], root.post("/bulk-actions/7/stop")[0]]
    nonsense = [root.get(f"/bulk-actions/{key}")[0] for key in (0, "x", 2**63)]

    assert codes == [404, 404]
    assert nonsense == [422] * 3


def test_a_tenant_acts_on_his_own_jobs_alone(person: Person, waiting: Make, work: Work):
    ours, theirs = waiting(5), waiting(5)
    JobRecord.objects.filter(pk__in=theirs).update(queue="red")
    tenant = program(person(*EVERYTHING, name="ann"))

    with override_settings(UPNEXT={**_own(), "ADMIN_QUERYSET": f"{__name__}.only_mail"}):
        begun(tenant, "cancel-jobs", {"function": FUNCTION})
        work()

    assert {status(key) for key in ours} == {"cancelled"}
    assert {status(key) for key in theirs} == {"queued"}


def only_mail(request: Any, rows: Any) -> Any:
    return rows.filter(queue="mail") if rows.model is JobRecord else rows


def _own() -> dict[str, Any]:
    broker = get_broker()
    return {"REDIS_URL": broker.url, "NAMESPACE": broker.environment.namespace}
