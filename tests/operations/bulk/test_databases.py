"""Bulk actions on SQLite and on PostgreSQL: a selection means the same, a chunk costs the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.rows import job_id
from tests.broker.lab import Lab
from upnext_django import conf
from upnext_django.core.lifecycle import JobStatus
from upnext_django.models import AttemptRecord, BulkAction, DeadLetterRecord, JobRecord
from upnext_django.operations.bulk import begin, run, walk
from upnext_django.operations.bulk.selection import Clause, Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb

ROWS = 60


@pytest.fixture
def using(lab: Lab, history: str) -> Iterator[str]:
    """Give the alias of the history, with 60 jobs that have ended."""
    settings = conf.get()
    own = {"REDIS_URL": settings.redis_url, "NAMESPACE": settings.namespace, "DATABASE": history}
    with override_settings(UPNEXT=own):
        ended = timezone.now() - timedelta(minutes=5)
        JobRecord.objects.bulk_create(
            JobRecord(
                id=job_id(number),
                function=f"shop.tasks.f{number % 3}",
                queue="shop",
                status="complete" if number % 2 else "cancelled",
                root_id=job_id(number - number % 10),
                parent_id=job_id(number - number % 10) if number % 10 else None,
                created_at=ended,
                completed_at=ended,
                arguments={"args": [], "kwargs": {"order": number % 5}},
            )
            for number in range(ROWS)
        )
        AttemptRecord.objects.bulk_create(
            AttemptRecord(job_id=job_id(number), token=1, number=1, outcome="complete")
            for number in range(ROWS)
        )
        yield history


def finish(action: BulkAction) -> BulkAction:
    while begin.get(action.pk).is_open:
        run.run_chunk(action.pk)
    return begin.get(action.pk)


@pytest.mark.parametrize(
    ("clauses", "count"),
    [
        ([], 60),
        ([[{"status__exact": "cancelled"}, {"status__exact": "complete"}]], 60),
        ([[{"function": "shop.tasks.f1"}], [{"status": "complete"}]], 10),
        ([[{"arguments__kwargs__order": 3}]], 12),
        ([[{"pk": job_id(20)}, {"root_id": job_id(20), "parent_id__isnull": False}]], 10),
        ([[{"pk__gte": job_id(50)}]], 10),
        ([[{"created_at__gte": "2100-01-01T00:00:00+00:00"}]], 0),
        ([()], 0),
    ],
)
def test_what_is_selected_goes_and_the_rest_stays(
    using: str, monkeypatch: pytest.MonkeyPatch, clauses: list[Clause], count: int
):
    monkeypatch.setattr(walk, "_WINDOW", 7)
    selection = Selection(clauses=clauses)
    selected = set(selection.rows(JobRecord).values_list("pk", flat=True))
    assert len(selected) == count

    done = finish(begin.start(BulkVerb.DELETE, selection))

    left = set(JobRecord.objects.values_list("pk", flat=True))
    refused = selected & left
    assert (done.status, done.total, done.done + done.refused) == ("done", count, count)
    assert done.refused == len(refused)
    # Parents whose children stay: those of the tens.
    assert refused <= {job_id(number) for number in range(0, ROWS, 10)}
    assert AttemptRecord.objects.count() == len(left)
    assert not DeadLetterRecord.objects.exists()


def test_each_chunk_costs_the_same_number_of_queries(using: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(walk, "_WINDOW", 10)
    action = begin.start(BulkVerb.DELETE, Selection(clauses=[[{"queue": "shop"}]]))
    run.run_chunk(action.pk)

    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connections[using]) as seen:
            run.run_chunk(action.pk)
        counts.append(len(seen))

    assert len(set(counts)) == 1
    assert counts[0] < 25


def test_no_transaction_is_open_between_two_steps(using: str, monkeypatch: pytest.MonkeyPatch):
    action = begin.start(BulkVerb.DELETE, Selection())
    inside: list[Any] = []
    planned = walk.next_chunk

    def seen(*args: Any, **kwargs: Any) -> walk.Chunk:
        inside.append(connections[using].in_atomic_block)
        return planned(*args, **kwargs)

    monkeypatch.setattr(run, "next_chunk", seen)
    finish(action)

    assert inside
    assert not any(inside)


def test_an_action_begins_at_the_lowest_key_that_it_knows(using: str):
    action = begin.start(BulkVerb.DELETE, Selection(clauses=[[{"id__gte": job_id(55)}], [{"queue": "none"}]]))

    with CaptureQueriesContext(connections[using]) as seen:
        finish(action)

    reads = [one["sql"] for one in seen if one["sql"].startswith("SELECT") and "jobrecord" in one["sql"]]
    assert any(job_id(55) in sql and "LIMIT" in sql for sql in reads)


@pytest.mark.parametrize("verb", list(BulkVerb))
@pytest.mark.parametrize("ago_s", [None, 0, 600])
def test_its_parts_are_together_what_it_can_be_done_to(using: str, verb: BulkVerb, ago_s: int | None):
    now = timezone.now()
    number = ROWS
    for status in JobStatus:
        for letter in ("none", "open", "replayed", "discarded"):
            for duplicate_of in (None, job_id(1)):
                number += 1
                created_s, ended_s = (900, 700) if number % 3 else (500, 300)
                JobRecord.objects.create(
                    id=job_id(number),
                    status=str(status),
                    duplicate_of=duplicate_of,
                    created_at=now - timedelta(seconds=created_s),
                    completed_at=None if number % 7 == 0 else now - timedelta(seconds=ended_s),
                )
                if letter != "none":
                    DeadLetterRecord.objects.create(
                        job_id=job_id(number),
                        failed_at=now - timedelta(seconds=ended_s),
                        attempts=1,
                        crashes=0,
                        replayed_as=job_id(2) if letter == "replayed" else None,
                        discarded_at=now if letter == "discarded" else None,
                    )
    doing, until = VERBS[verb], None if ago_s is None else now - timedelta(seconds=ago_s)
    rows = doing.model._default_manager.all()

    parts = [list(part.values_list("pk", flat=True)) for part in doing.parts(rows, until)]

    together = [key for part in parts for key in part]
    assert sorted(together) == sorted(doing.eligible(rows, until).values_list("pk", flat=True))
    assert len(set(together)) == len(together)
    assert together
