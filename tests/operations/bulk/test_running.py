"""Actions on very many rows: done chunk by chunk, to what was selected and to nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.utils import timezone

from tests.broker.lab import FUNCTION, Lab
from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.exceptions import BulkActionNotFound, InvalidBulkMove
from upnext_django.models import BulkAction, DeadLetterRecord, JobRecord
from upnext_django.operations import dead_letters, jobs
from upnext_django.operations.bulk import begin, run, walk
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import BulkVerb

Make = Callable[[int], list[str]]
Work = Callable[[], None]
Again = Callable[[BulkAction], BulkAction]
Person = Callable[..., User]

EVERYTHING = Selection()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_WINDOW", 4)


def status(key: str) -> str:
    job = get_broker().job_sync(key)
    assert job is not None
    return str(job.status)


def statuses(keys: list[str]) -> set[str]:
    return {status(key) for key in keys}


def in_stream(lab: Lab) -> int:
    return int(lab.run(b"XLEN", lab.keys.stream(f"stream:{FUNCTION}:1")))


def notes(model: str) -> list[str]:
    entries = LogEntry.objects.filter(content_type__model=model).order_by("pk")
    return [entry.get_change_message() for entry in entries]


def test_all_that_match_are_cancelled_chunk_by_chunk(lab: Lab, waiting: Make, work: Work, again: Again):
    keys = waiting(10)
    others = waiting(2)
    JobRecord.objects.filter(pk__in=others).update(queue="other")

    action = begin.start(BulkVerb.CANCEL, Selection(clauses=[[{"queue": "mail"}]]), by="a script")
    work()

    done = again(action)
    assert (done.status, done.total, done.done, done.refused) == ("done", 10, 10, 0)
    assert (done.pending, done.error) == (None, "")
    assert statuses(keys) == {"cancelled"}
    assert statuses(others) == {"queued"}


@pytest.mark.parametrize("verb", [BulkVerb.RETRY, BulkVerb.REPLAY])
def test_what_failed_is_retried_once_each(lab: Lab, failed: Make, work: Work, again: Again, verb: BulkVerb):
    failed(9)

    action = begin.start(verb, EVERYTHING)
    work()

    assert again(action).done == 9
    assert in_stream(lab) == 9


def test_dead_letters_are_discarded(lab: Lab, failed: Make, work: Work, again: Again, mirror: Work):
    failed(6)

    action = begin.start(BulkVerb.DISCARD, Selection(clauses=[[{"fingerprint": "f" * 16}]]))
    work()
    mirror()

    assert again(action).done == 6
    assert not dead_letters.open_letters().exists()


def test_rows_are_deleted_children_before_their_parents(lab: Lab, waiting: Make, work: Work, again: Again):
    keys = waiting(9)
    JobRecord.objects.update(status="complete", completed_at=timezone.now() - timedelta(seconds=5))
    JobRecord.objects.filter(pk__in=keys[1:]).update(parent_id=min(keys), root_id=min(keys))

    action = begin.start(BulkVerb.DELETE, EVERYTHING)
    work()

    assert (again(action).done, again(action).refused) == (9, 0)
    assert not JobRecord.objects.exists()


def test_a_clause_holds_if_one_of_its_sets_does(lab: Lab, waiting: Make, work: Work, again: Again):
    first, second, third = waiting(3)

    begin.start(BulkVerb.CANCEL, Selection(clauses=[[{"pk": first}, {"pk": third, "queue": "mail"}]]))
    begin.start(BulkVerb.CANCEL, Selection(clauses=[[]]))
    work()

    assert [status(key) for key in (first, second, third)] == ["cancelled", "queued", "cancelled"]


def test_what_came_after_the_question_is_left_alone(lab: Lab, failed: Make, waiting: Make, work: Work):
    old = failed(3)
    action = begin.start(BulkVerb.RETRY, EVERYTHING)
    late = failed(2)
    # Its id is as old as its parent's attempt: by the key alone it would be taken.
    DeadLetterRecord.objects.filter(pk=old[0]).update(failed_at=action.until + timedelta(seconds=1))
    JobRecord.objects.filter(pk=old[0]).update(completed_at=action.until + timedelta(seconds=1))

    work()

    assert BulkAction.objects.get().done == 2
    assert in_stream(lab) == 2
    assert DeadLetterRecord.objects.filter(pk__in=late, replayed_as=None).count() == 2


def test_what_is_refused_is_counted_with_its_reason(lab: Lab, failed: Make, work: Work, again: Again):
    first, *_others = failed(3)
    jobs.retry(first)

    action = begin.start(BulkVerb.RETRY, EVERYTHING)
    work()

    done = again(action)
    assert (done.done, done.refused) == (2, 1)
    assert "is replayed as" in done.reasons[0]


def test_a_stop_holds_before_the_next_chunk(lab: Lab, waiting: Make, work: Work, again: Again):
    keys = waiting(10)
    action = begin.start(BulkVerb.CANCEL, EVERYTHING)
    run.run_chunk(action.pk)

    assert begin.stop(action.pk, by="ada")
    work()

    stopped = again(action)
    assert (stopped.status, stopped.done, stopped.stop_asked_by) == ("stopped", 4, "ada")
    assert [status(key) for key in sorted(keys)].count("cancelled") == 4
    assert not begin.stop(action.pk)


def test_what_was_stopped_goes_on_where_it_was(lab: Lab, waiting: Make, work: Work, again: Again):
    keys = waiting(10)
    action = begin.start(BulkVerb.CANCEL, EVERYTHING)
    run.run_chunk(action.pk)
    begin.stop(action.pk)

    begin.go_on(action.pk)
    work()

    assert (again(action).status, again(action).done, again(action).refused) == ("done", 10, 0)
    assert statuses(keys) == {"cancelled"}


def test_what_is_done_or_unknown_cannot_go_on(lab: Lab, work: Work):
    action = begin.start(BulkVerb.CANCEL, EVERYTHING)
    work()

    with pytest.raises(InvalidBulkMove, match="is done; only one that is stopped or failed"):
        begin.go_on(action.pk)
    with pytest.raises(BulkActionNotFound):
        begin.stop(action.pk + 1)


def test_a_stop_while_a_chunk_is_planned_lets_that_chunk_not_happen(
    lab: Lab, waiting: Make, again: Again, monkeypatch: pytest.MonkeyPatch
):
    keys = waiting(3)
    action = begin.start(BulkVerb.CANCEL, EVERYTHING)
    planned = walk.next_chunk

    def stopped_meanwhile(*args: Any, **kwargs: Any) -> walk.Chunk:
        begin.stop(action.pk)
        return planned(*args, **kwargs)

    monkeypatch.setattr(run, "next_chunk", stopped_meanwhile)
    run.run_chunk(action.pk)

    assert (again(action).status, again(action).done) == ("stopped", 0)
    assert statuses(keys) == {"queued"}


def test_the_actions_take_turns(lab: Lab, waiting: Make, failed: Make):
    failed(2)
    waiting(12)
    long = begin.start(BulkVerb.CANCEL, EVERYTHING)
    short = begin.start(BulkVerb.DISCARD, EVERYTHING)

    for _ in range(3):
        for pk in run.open_actions():
            run.run_chunk(pk)

    assert BulkAction.objects.get(pk=short.pk).status == "done"
    assert BulkAction.objects.get(pk=long.pk).status == "running"


# -- who


def test_who_lost_the_permission_meanwhile_acts_no_further(
    lab: Lab, waiting: Make, work: Work, again: Again, person: Person
):
    keys = waiting(10)
    ada = person("view_jobrecord", "cancel_job")
    action = begin.start(BulkVerb.CANCEL, EVERYTHING, by=ada)
    run.run_chunk(action.pk)
    ada.user_permissions.clear()

    work()

    ended = again(action)
    assert (ended.status, ended.done) == ("failed", 4)
    assert "ada, who asked for it, does not have the permission upnext.view_jobrecord" in ended.error
    assert [status(key) for key in keys].count("queued") == 6


@pytest.mark.parametrize(
    ("change", "said"), [({"is_active": False}, "is not active"), (None, "is no user any more")]
)
def test_who_is_gone_acts_no_further(
    lab: Lab,
    waiting: Make,
    work: Work,
    again: Again,
    person: Person,
    change: dict[str, Any] | None,
    said: str,
):
    (key,) = waiting(1)
    ada = person("view_jobrecord", "cancel_job")
    action = begin.start(BulkVerb.CANCEL, EVERYTHING, by=ada)
    users = User.objects.filter(pk=ada.pk)
    if change is None:
        users.delete()
    else:
        users.update(**change)

    work()

    assert again(action).status == "failed"
    assert said in again(action).error
    assert status(key) == "queued"


def blue_for(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Show each user the queue of that name, at a host of theirs."""
    if rows.model is JobRecord:
        return rows.filter(queue=f"{request.user.get_username()}-{request.get_host()}")
    return rows


def broken(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Ask for what only a middleware gives to a request."""
    return rows.filter(queue=request.tenant)  # type: ignore[attr-defined]


def ruled(rule: str) -> Any:
    settings = conf.get()
    own = {"REDIS_URL": settings.redis_url, "NAMESPACE": settings.namespace}
    return override_settings(UPNEXT={**own, "ADMIN_QUERYSET": f"{__name__}.{rule}"})


def test_the_projects_rule_holds_in_the_worker_too(
    lab: Lab, waiting: Make, work: Work, again: Again, person: Person
):
    hidden, shown = waiting(2)
    JobRecord.objects.filter(pk=shown).update(queue="ada-blue.example")
    ada = person("view_jobrecord", "cancel_job")
    request = RequestFactory().get("/admin/", HTTP_HOST="blue.example")

    with ruled("blue_for"), override_settings(ALLOWED_HOSTS=["blue.example"]):
        action = begin.start(BulkVerb.CANCEL, EVERYTHING, by=ada, request=request)
        work()

    assert again(action).done == 1
    assert [status(key) for key in (hidden, shown)] == ["queued", "cancelled"]


def test_a_rule_that_needs_more_than_the_worker_has_ends_the_action(
    lab: Lab, waiting: Make, work: Work, again: Again, person: Person
):
    (key,) = waiting(1)

    with ruled("broken"):
        action = begin.start(BulkVerb.CANCEL, EVERYTHING, by=person("view_jobrecord", "cancel_job"))
        work()

    assert again(action).status == "failed"
    assert "AttributeError" in again(action).error
    assert status(key) == "queued"


def test_arguments_are_looked_into_for_those_who_may_see_them(lab: Lab, person: Person):
    looking = Selection(clauses=[[{"arguments__kwargs__order": 7}]])

    with pytest.raises(PermissionDenied, match="view_payload"):
        begin.start(BulkVerb.CANCEL, looking, by=person("view_jobrecord", "cancel_job"))

    begin.start(
        BulkVerb.CANCEL, looking, by=person("view_jobrecord", "cancel_job", "view_payload", name="eve")
    )


def test_the_audit_trail_says_who_did_what_to_how_many(lab: Lab, failed: Make, work: Work, person: Person):
    keys = failed(5)
    begin.start(BulkVerb.REPLAY, EVERYTHING, by=person("view_deadletterrecord", "replay_deadletter"))

    work()

    assert notes("bulkaction") == ["Asked for.", "Done: 5 replayed, 0 refused."]
    of_jobs = LogEntry.objects.filter(content_type__model="jobrecord")
    assert set(of_jobs.values_list("object_id", "user__username")) == {(key, "ada") for key in keys}
