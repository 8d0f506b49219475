"""The mirror on a real Redis: the rows come to say what Redis says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.broker.lab import FUNCTION, QUEUE, Lab, new_job
from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts.settle import Settlement
from upnext_django.core.environment import Environment
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.mirror.service import MirrorService
from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord, LogRecord


@pytest.fixture
def lab(valkey_url: str, namespace: str) -> Iterator[Lab]:
    lab = Lab(valkey_url, namespace)
    lab.register()
    lab.run(b"SADD", f"un:{{{namespace}}}:queues", QUEUE)
    yield lab
    lab.close()


@pytest.fixture
def broker(environment: Environment) -> Iterator[Broker]:
    broker = Broker(environment)
    yield broker
    broker.close()
    broker.mailbox.join(10)


@contextmanager
def mirroring(broker: Broker, using: str) -> Iterator[MirrorService]:
    service = MirrorService(broker, using=using)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        assert service.join(10)


def mirror(broker: Broker, using: str) -> None:
    """Write everything that Redis has told so far."""
    with mirroring(broker, using) as service:
        assert service.drain(20)


def ending(attempt: int, **facts: object) -> bytes:
    return msgspec.json.encode(SettleData(attempt=attempt, started_ms=1, **facts))  # type: ignore[arg-type]


def lives_of_every_kind(lab: Lab) -> list[str]:
    """Lead one job through each way that ends or interrupts an attempt; return their ids."""
    done = lab.claim_one()
    lab.report(done.id, done.token, data=b'{"progress":50.0,"logs":[[1,"INFO","half",null]]}', progress=50.0)
    lab.settle(
        done.id, done.token, JobStatus.COMPLETE, ending(1, result=msgspec.Raw(b'{"sum":5}')), ttl_ms=60_000
    )

    failed = lab.claim_one()
    error = {"error_type": "ValueError", "error": "ValueError: no", "traceback": "Trace"}
    lab.settle(failed.id, failed.token, JobStatus.RETRYING, ending(1, **error), delay_ms=60_000)
    lab.make_due(failed.id)
    (again,) = lab.claim().jobs
    lab.settle(again.id, again.token, JobStatus.FAILED, ending(2, **error), ttl_ms=60_000)

    back = lab.claim_one()
    lab.settle(back.id, back.token, JobStatus.QUEUED, ending(1))
    (back_again,) = lab.claim(worker="w2").jobs
    lab.lose(back_again.id)
    (third,) = lab.claim(worker="w3").jobs
    lab.settle(third.id, third.token, JobStatus.COMPLETE, ending(1), ttl_ms=60_000)

    lost = lab.claim_one()
    lab.lose(lost.id, max_crashes=0)

    withdrawn = lab.submit_one(delay_ms=60_000)
    lab.cancel(withdrawn)

    winner = lab.claim_one(key="k")
    double = lab.submit_one(key="k")
    lab.cancel(winner.id)

    return [done.id, failed.id, back.id, lost.id, withdrawn, double, winner.id, lab.submit_one()]


def test_rows_say_what_redis_says(history: str, lab: Lab, broker: Broker) -> None:
    job_ids = lives_of_every_kind(lab)

    mirror(broker, history)

    for job_id in job_ids:
        live = broker.job_sync(job_id)
        row = JobRecord.objects.using(history).get(pk=job_id)
        assert live is not None
        assert (row.status, row.attempts, row.crashes, row.handbacks, row.worker_id) == (
            live.status.value,
            live.attempts,
            live.crashes,
            live.handbacks,
            live.worker_id,
        )
        assert (row.function, row.queue, row.duplicate_of) == (FUNCTION, QUEUE, live.duplicate_of)
        assert row.progress == live.progress
        if live.seq:
            assert row.seq == live.seq
        for at, at_ms in (
            (row.created_at, live.created_ms),
            (row.run_at, live.run_at_ms),
            (row.started_at, live.started_ms),
        ):
            assert (at and round(at.timestamp() * 1000)) == at_ms


def test_every_attempt_log_line_and_dead_letter_is_there(history: str, lab: Lab, broker: Broker) -> None:
    done, failed, back, lost, *_ = lives_of_every_kind(lab)

    mirror(broker, history)

    def outcomes(job_id: str) -> list[tuple[int, str]]:
        attempts = AttemptRecord.objects.using(history).filter(job_id=job_id).order_by("token")
        return list(attempts.values_list("number", "outcome"))

    assert outcomes(done) == [(1, "complete")]
    assert outcomes(failed) == [(1, "failed"), (2, "failed")]
    assert outcomes(back) == [(1, "handed_back"), (1, "lost"), (1, "complete")]
    assert outcomes(lost) == [(1, "lost")]
    assert LogRecord.objects.using(history).get().message == "half"
    letters = DeadLetterRecord.objects.using(history).order_by("job_id")
    assert list(letters.values_list("job_id", "error_type")) == sorted(
        [(failed, "ValueError"), (lost, "WorkerLost")]
    )


def test_an_ended_job_expires_once_it_is_mirrored(history: str, lab: Lab, broker: Broker) -> None:
    done = lab.claim_one()
    lab.settle(done.id, done.token, JobStatus.COMPLETE, ending(1), ttl_ms=60_000)
    assert lab.run(b"PTTL", lab.keys.job(done.id)) == -1

    mirror(broker, history)

    assert 0 < lab.run(b"PTTL", lab.keys.job(done.id)) <= 60_000
    assert lab.run(b"XLEN", lab.keys.events) == 0


def test_what_a_dead_mirror_had_read_is_written_by_the_next(history: str, lab: Lab, broker: Broker) -> None:
    job_id = lab.submit_one()
    dead = broker.events
    assert [batch.moves[0].job_id for batch in dead.read(100, 10)] == [job_id]
    dead.close()

    mirror(broker, history)

    assert JobRecord.objects.using(history).get().pk == job_id


def test_many_jobs_are_drained(history: str, lab: Lab, broker: Broker) -> None:
    for _ in range(10):
        lab.submit(*(new_job() for _ in range(200)))
    claimed = [job for _ in range(20) for job in lab.claim(100).jobs]
    for start in range(0, len(claimed), 200):
        lab.settle_all(
            *(
                Settlement(job.id, job.token, JobStatus.COMPLETE, ending(1), ttl_ms=60_000)
                for job in claimed[start : start + 200]
            )
        )

    mirror(broker, history)

    complete = JobRecord.objects.using(history).filter(status="complete")
    assert complete.count() == 2_000
