"""Changes into rows: the same rows however often and in whatever order they are written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mirror.lives import JOB_ID, START_MS, lives, move
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.mirror.applying import apply
from upnext_django.mirror.fold import fold
from upnext_django.mirror.writing import write
from upnext_django.models import ArtifactRecord, AttemptRecord, DeadLetterRecord, JobRecord, LogRecord

REPORTED = {"progress", "progress_message", "checkpoint"}
numbers = itertools.count(1)
# Every example writes a job of its own, so the database may be shared.
per_example = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def put(moves: Sequence[JobMove], using: str) -> None:
    write(fold([("q", one) for one in moves]), using=using)


def renamed(moves: Sequence[JobMove]) -> list[JobMove]:
    job_id = f"{next(numbers):08x}-0000-7000-8000-000000000000"
    return [
        JobMove(job_id, one.seq, one.at_ms, one.move, one.status, one.token, one.extra, one.data)
        for one in moves
    ]


def rows(job_id: str, using: str, without: frozenset[str] | set[str] = frozenset()) -> list[Any]:
    """Return everything the history has of a job but its id and the names in ``without``."""
    found: list[Any] = []
    for model, field, order in (
        (JobRecord, "id", "id"),
        (AttemptRecord, "job_id", "token"),
        (LogRecord, "job_id", "seq"),
        (DeadLetterRecord, "job_id", "job_id"),
    ):
        left_out = {"id", "job_id", "root_id"} | without
        found.append(
            [
                {name: value for name, value in row.items() if name not in left_out}
                for row in model._base_manager.using(using).filter(**{field: job_id}).order_by(order).values()
            ]
        )
    return found


def cut(moves: list[JobMove], places: Sequence[int]) -> list[list[JobMove]]:
    edges = [0, *sorted(places), len(moves)]
    return [moves[a:b] for a, b in itertools.pairwise(edges) if a < b]


@per_example
@given(data=st.data())
def test_any_cut_into_batches_with_replays_gives_the_same_rows(history: str, data: st.DataObject) -> None:
    life = data.draw(lives())
    whole, parts = renamed(life), renamed(life)
    places = data.draw(st.lists(st.integers(0, len(life)), max_size=5))

    put(whole, history)
    for batch in cut(parts, places):
        put(batch, history)
        # A mirror that died before it acknowledged, or woke up late, writes what is there already.
        end = data.draw(st.integers(1, batch[-1].seq))
        put(parts[data.draw(st.integers(0, end - 1)) : end], history)

    assert rows(parts[0].job_id, history) == rows(whole[0].job_id, history)


@per_example
@given(data=st.data())
def test_moves_that_come_in_any_order_give_the_same_rows(history: str, data: st.DataObject) -> None:
    life = data.draw(lives(reports=False))
    whole, parts = renamed(life), renamed(life)
    shuffled = data.draw(st.permutations(parts + data.draw(st.lists(st.sampled_from(parts), max_size=4))))

    put(whole, history)
    for batch in cut(shuffled, data.draw(st.lists(st.integers(0, len(shuffled)), max_size=6))):
        put(batch, history)

    assert rows(parts[0].job_id, history) == rows(whole[0].job_id, history)


@per_example
@given(data=st.data())
def test_late_reports_disturb_nothing_but_the_progress(history: str, data: st.DataObject) -> None:
    life = data.draw(lives())
    whole, parts = renamed(life), renamed(life)

    put(whole, history)
    for one in data.draw(st.permutations(parts)):
        put([one], history)

    assert rows(parts[0].job_id, history, REPORTED) == rows(whole[0].job_id, history, REPORTED)


def test_a_job_is_read_back_as_it_was_told(history: str) -> None:
    put(
        [
            move(
                1,
                Move.SUBMITTED,
                JobStatus.QUEUED,
                data={"fn": "m.f", "name": "f", "args": [["\u00e4", 1.5], {"when": None}], "meta": {"a": 1}},
            ),
            move(2, Move.CLAIMED, JobStatus.ACTIVE, token=1, data={"worker": "w1", "attempt": 1}),
            move(
                3,
                Move.SETTLED,
                JobStatus.COMPLETE,
                token=1,
                data={"attempt": 1, "started": START_MS + 20, "result": [1, "two", None]},
            ),
        ],
        history,
    )

    job = JobRecord.objects.using(history).get()

    assert job.arguments == {"args": ["ä", 1.5], "kwargs": {"when": None}}
    assert (job.result, job.meta, job.worker_id) == ([1, "two", None], {"a": 1}, "w1")
    assert job.created_at == datetime.fromtimestamp(START_MS / 1000 + 0.01, UTC)
    assert job.completed_at is not None
    assert job.completed_at > (job.started_at or job.completed_at)


def test_an_artifact_is_a_row_however_often_it_is_told(history: str) -> None:
    facts = [
        "019a0000-0000-7000-8000-0000000000aa",
        START_MS,
        "nul\0.bin",
        "binary",
        3_000_000_000,
        "upnext/x",
    ]
    told = [
        move(seq, Move.REPORTED, JobStatus.ACTIVE, token=1, data={"artifacts": [facts]}) for seq in (3, 4)
    ]

    put(told, history)
    put(told, history)

    row = ArtifactRecord.objects.using(history).get()
    assert (row.pk, row.job_id, row.name) == (facts[0], JOB_ID, "nul\ufffd.bin")
    assert (row.artifact_type, row.size_bytes, row.path) == ("binary", 3_000_000_000, "upnext/x")
    assert row.created_at == datetime.fromtimestamp(START_MS / 1000, UTC)


def test_a_failed_job_becomes_a_dead_letter_and_keeps_its_replay(history: str) -> None:
    data = {"attempt": 1, "started": START_MS, "error_type": "ValueError", "error": "ValueError: no"}
    failed = [
        move(1, Move.SUBMITTED, JobStatus.QUEUED, data={"fn": "m.f", "name": "f"}),
        move(2, Move.CLAIMED, JobStatus.ACTIVE, token=1, data={"worker": "w1", "attempt": 1}),
        move(3, Move.SETTLED, JobStatus.FAILED, token=1, data=data),
    ]
    replay = JOB_ID[:-1] + "2"
    put(failed, history)
    put(
        [move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=replay, data={"fn": "m.f", "replay_of": JOB_ID})],
        history,
    )

    put(failed, history)

    letter = DeadLetterRecord.objects.using(history).get()
    assert (letter.job_id, letter.function, letter.error) == (JOB_ID, "m.f", "ValueError: no")
    assert (letter.attempts, letter.replayed_as) == (1, replay)


def test_a_batch_is_one_transaction_with_one_statement_a_table(history: str) -> None:
    moves = [
        ("q", one)
        for number in range(100)
        for one in (
            move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=f"{number:036x}", data={"fn": "m.f"}),
            move(2, Move.CLAIMED, JobStatus.ACTIVE, job_id=f"{number:036x}", token=1, data={"attempt": 1}),
            move(
                3,
                Move.SETTLED,
                JobStatus.COMPLETE,
                job_id=f"{number:036x}",
                token=1,
                data={"attempt": 1, "started": 1},
            ),
        )
    ]
    changes = fold(moves)

    executed: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        executed.append(sql)
        return execute(sql, params, many, context)

    with connections[history].execute_wrapper(count):
        write(changes, using=history)

    assert [sql.split()[2] for sql in executed if sql != "BEGIN IMMEDIATE"] == [
        JobRecord._meta.db_table,
        AttemptRecord._meta.db_table,
    ]
    assert JobRecord.objects.using(history).count() == AttemptRecord.objects.using(history).count() == 100


def test_a_job_that_the_database_refuses_holds_up_no_other(history: str) -> None:
    ids = [f"{number:036x}" for number in range(7)]
    moves = [
        ("q", move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=job_id, data={"fn": "m.f"})) for job_id in ids
    ]
    unstorable = JobMove(ids[3], 2, 10**17, Move.CLAIMED, JobStatus.ACTIVE, 1, 0, b'{"attempt":1}')

    skipped = apply([*moves, ("q", unstorable)], using=history)

    assert skipped == 2
    kept = JobRecord.objects.using(history).order_by("id").values_list("id", flat=True)
    assert list(kept) == [job_id for job_id in ids if job_id != ids[3]]


def test_debug_keeps_no_statements(history: str) -> None:
    """Regression guard: a worker with DEBUG=True must not grow by every batch it writes."""
    connection = connections[history]
    with CaptureQueriesContext(connection):
        put([move(1, Move.SUBMITTED, JobStatus.QUEUED, data={"fn": "m.f"})], history)

        assert len(connection.queries_log) == 0


def test_failures_of_one_kind_share_a_fingerprint_however_often_they_are_written(history: str):
    def fails(number: int) -> list[JobMove]:
        error = {"attempt": 1, "started": START_MS, "error_type": "E", "error": f"E: order {number}"}
        told = [
            move(1, Move.SUBMITTED, JobStatus.QUEUED, data={"fn": "m.f"}),
            move(2, Move.CLAIMED, JobStatus.ACTIVE, token=1, data={"attempt": 1, "worker": "w"}),
            move(3, Move.SETTLED, JobStatus.FAILED, token=1, data=error),
        ]
        return renamed(told)

    first, second = fails(1), fails(2)
    put(first, history)
    put([*second, *first], history)

    letters = DeadLetterRecord.objects.using(history)
    assert letters.count() == 2
    assert set(letters.values_list("message", "frame")) == {("order <number>", "")}
    assert letters.values("fingerprint").distinct().count() == 1
