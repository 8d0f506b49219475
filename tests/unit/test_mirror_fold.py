"""The pure part of the mirror: moves in, rows out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mirror.lives import JOB_ID, START_MS, lives, move
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.mirror.fold import fold
from upnext_django.mirror.rows import JobRow

CLAIM = {"worker": "w1", "attempt": 1}


def folded(*moves: JobMove) -> JobRow:
    [row] = fold([("q", one) for one in moves]).jobs
    return row


def submitted(**envelope: Any) -> JobMove:
    data = {"fn": "shop.tasks.pay", "name": "pay", "args": [[1], {"order": 7}], **envelope}
    return move(1, Move.SUBMITTED, JobStatus.QUEUED, data=data)


@given(st.data())
def test_order_and_repetition_within_a_batch_change_nothing(data: st.DataObject) -> None:
    life = data.draw(lives())
    prefix = life[: data.draw(st.integers(1, len(life)))]
    repeated = data.draw(st.permutations(prefix + data.draw(st.lists(st.sampled_from(prefix), max_size=5))))

    expected = fold([("q", one) for one in prefix])

    assert fold([("q", one) for one in repeated]) == expected
    assert expected.poison == []


@given(lives())
def test_the_last_move_gives_status_and_seq(life: list[JobMove]) -> None:
    row = folded(*life)

    assert (row.status, row.seq) == (life[-1].status.value, life[-1].seq)


@given(lives())
def test_executions_are_at_most_attempts_crashes_and_hand_backs(life: list[JobMove]) -> None:
    changes = fold([("q", one) for one in life])

    [row] = changes.jobs
    claims = sum(one.move is Move.CLAIMED for one in life)
    assert row.crashes == sum(one.move is Move.RECOVERED for one in life)
    assert len(changes.attempts) == claims
    handbacks = sum(one.outcome == "handed_back" for one in changes.attempts)
    assert claims <= row.attempts + row.crashes + handbacks <= claims + 1


def test_a_submit_fills_the_row() -> None:
    row = folded(submitted(parent="p", root="r", key="k", max=4, priority=5, meta={"tenant": 3}, kind="cron"))

    assert (row.function, row.function_name, row.queue, row.kind) == ("shop.tasks.pay", "pay", "q", "cron")
    assert (row.parent_id, row.root_id, row.idempotency_key) == ("p", "r", "k")
    assert (row.max_attempts, row.priority, row.meta) == (4, 5, '{"tenant":3}')
    assert json.loads(row.arguments or "") == {"args": [1], "kwargs": {"order": 7}}


def test_a_job_at_the_top_is_its_own_root() -> None:
    assert folded(submitted()).root_id == JOB_ID


def test_a_completed_job_keeps_no_error_of_the_attempts_before() -> None:
    changes = fold(
        [
            ("q", submitted(max=2)),
            ("q", move(2, Move.CLAIMED, JobStatus.ACTIVE, token=1, data=CLAIM)),
            (
                "q",
                move(
                    3,
                    Move.SETTLED,
                    JobStatus.RETRYING,
                    token=1,
                    extra=99,
                    data={"attempt": 1, "started": 5, "error_type": "OSError", "error": "OSError: x"},
                ),
            ),
            ("q", move(4, Move.PROMOTED, JobStatus.QUEUED, token=1)),
            ("q", move(5, Move.CLAIMED, JobStatus.ACTIVE, token=2, data={"worker": "w2", "attempt": 2})),
            (
                "q",
                move(
                    6,
                    Move.SETTLED,
                    JobStatus.COMPLETE,
                    token=2,
                    data={"attempt": 2, "started": 7, "result": 42},
                ),
            ),
        ]
    )

    assert (changes.jobs[0].error, changes.jobs[0].result, changes.jobs[0].run_at) == (None, "42", 99)
    assert [(one.token, one.outcome, one.error) for one in changes.attempts] == [
        (1, "failed", "OSError: x"),
        (2, "complete", None),
    ]


def test_a_cache_hit_has_a_value_and_no_attempt() -> None:
    data = {"result": 42, "cache_hit": True}

    changes = fold([("q", submitted()), ("q", move(2, Move.CACHE_HIT, JobStatus.COMPLETE, data=data))])

    (row,) = changes.jobs
    assert (row.status, row.cache_hit, row.result) == ("complete", True, "42")
    assert (row.attempts, row.started_at, row.completed_at) == (0, None, START_MS + 20)
    assert changes.attempts == []


def test_a_timeout_is_an_outcome_of_its_own() -> None:
    data = {"attempt": 1, "started": 5, "error": "30.0 seconds", "timed_out": True}

    changes = fold([("q", move(3, Move.SETTLED, JobStatus.FAILED, token=1, data=data))])

    assert changes.attempts[0].outcome == "timed_out"
    assert changes.dead == [JOB_ID]


def test_a_duplicate_leads_to_its_winner() -> None:
    row = folded(
        move(1, Move.DUPLICATED, JobStatus.CANCELLED, data={"duplicate_of": "winner", "fn": "shop.tasks.pay"})
    )

    assert (row.duplicate_of, row.function) == ("winner", "shop.tasks.pay")


def test_secrets_never_reach_a_row() -> None:
    kwargs = {"userPassword": "a", "card": {"number": 1}, "deep": [{"api_key": "b", "tokens_used": 12}]}
    row = folded(submitted(args=[[{"token": "c"}], kwargs], meta={"Authorization": "d"}))

    assert json.loads(row.arguments or "") == {
        "args": [{"token": "[redacted]"}],
        "kwargs": {
            "userPassword": "[redacted]",
            "card": "[redacted]",
            "deep": [{"api_key": "[redacted]", "tokens_used": 12}],
        },
    }
    assert json.loads(row.meta or "") == {"Authorization": "[redacted]"}


def test_a_key_that_is_spelled_with_escapes_is_a_secret_too() -> None:
    data = rb'{"fn":"f","args":[[],{"pass\u0077ord":"hunter2"}]}'

    row = folded(move(1, Move.SUBMITTED, JobStatus.QUEUED, data=data))

    assert "hunter2" not in (row.arguments or "")


def test_sealed_arguments_are_not_shown() -> None:
    row = folded(submitted(args="gAAAAAB", sealed=True))

    assert json.loads(row.arguments or "") == {"args": [], "kwargs": {}, "sealed": True}


def test_nul_characters_become_readable_in_every_column() -> None:
    data = rb'{"fn":"f","args":[["a\u0000b","c\\u0000"],{}],"key":"k\u0000"}'

    row = folded(move(1, Move.SUBMITTED, JobStatus.QUEUED, data=data))

    assert json.loads(row.arguments or "")["args"] == ["a\ufffdb", r"c\u0000"]
    assert row.idempotency_key == "k\ufffd"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"fn":1}', b'{"fn":"f","args":[1]}', b"\xff"])
def test_data_that_cannot_be_read_costs_the_data_only(data: bytes) -> None:
    changes = fold([("q", move(1, Move.SUBMITTED, JobStatus.QUEUED, data=data))])

    assert [(one.seq, one.move) for one in changes.poison] == [(1, "submitted")]
    assert (changes.jobs[0].status, changes.jobs[0].function) == ("queued", "")


def test_a_discard_marks_the_letter_and_leaves_the_ending() -> None:
    data = {"completed": 77, "attempt": 1, "error_type": "ValueError", "error": "ValueError: no"}

    changes = fold([("q", move(4, Move.DISCARDED, JobStatus.FAILED, token=1, data=data))])

    (row,) = changes.jobs
    assert (row.status, row.seq, row.completed_at) == ("failed", 4, 77)
    assert (row.error_type, row.error) == ("ValueError", "ValueError: no")
    assert [job_id for job_id, _ in changes.discarded] == changes.dead == [JOB_ID]
