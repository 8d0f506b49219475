"""The context of a running job."""

import logging
import threading

import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeRunningJob, inside


def test_it_tells_which_job_runs():
    with inside(
        FakeRunningJob(job_id="j", root_id="r", parent_id="p", attempt=2, function="shop.tasks.send")
    ):
        ctx = upnext.get_current_context()

    assert (ctx.job_id, ctx.parent_id, ctx.root_id) == ("j", "p", "r")
    assert (ctx.attempt, ctx.max_attempts) == (2, 3)
    assert (ctx.function, ctx.function_name, ctx.worker_id) == ("shop.tasks.send", "send", "worker-id")
    assert (ctx.is_cancelled, ctx.meta, ctx.last_checkpoint) == (False, {"tenant": 7}, None)
    assert isinstance(ctx.log, logging.Logger)


async def test_it_reads_as_a_mapping(broker: FakeBroker):
    @upnext.task
    def other() -> None: ...

    future = other.submit()
    await future
    with inside(FakeRunningJob(job_id="j")):
        ctx = upnext.get_current_context()

    assert (ctx["job_id"], ctx["worker_id"]) == ("j", "worker-id")
    assert (await ctx["broker"].get_job(future.job_id)).id == future.job_id
    assert dict(ctx)["attempt"] == 1
    assert ctx.get("nothing") is None
    with pytest.raises(KeyError, match="it has job_id"):
        ctx["nothing"]


def test_outside_a_job_there_is_none():
    with pytest.raises(RuntimeError, match="No job runs here"):
        upnext.get_current_context()


@pytest.mark.parametrize(("given", "kept"), [(-5, 0.0), (33.3, 33.3), (250, 100.0)])
def test_progress_is_clamped(given, kept):
    with inside(FakeRunningJob()) as job:
        upnext.get_current_context().set_progress(given, "half way")

    assert job.history == [("progress", kept, "half way")]


def test_progress_that_is_no_number_is_refused():
    with inside(FakeRunningJob()), pytest.raises(ValueError, match="0 to 100"):
        upnext.get_current_context().set_progress(float("nan"))


def test_a_checkpoint_is_kept():
    with inside(FakeRunningJob()):
        ctx = upnext.get_current_context()
        ctx.checkpoint({"page": 3})

        assert ctx.last_checkpoint == {"page": 3}
        with pytest.raises(upnext.ArgumentError, match="state"):
            ctx.checkpoint(threading.Lock())


def test_a_log_line_has_a_level_and_data():
    with inside(FakeRunningJob()) as job:
        ctx = upnext.get_current_context()
        ctx.send_log("warning", "slow", seconds=3)
        ctx.send_log("INFO", "done")

        assert job.history == [("log", "WARNING", "slow", b'{"seconds":3}'), ("log", "INFO", "done", None)]
        with pytest.raises(ValueError, match="it takes debug"):
            ctx.send_log("loud", "x")


def test_a_level_may_be_a_number_of_logging():
    with inside(FakeRunningJob()) as job:
        ctx = upnext.get_current_context()
        ctx.send_log(logging.ERROR, "no")

        assert job.history == [("log", "ERROR", "no", None)]
        with pytest.raises(ValueError, match="it takes debug"):
            ctx.send_log(25, "x")


def test_what_is_too_large_to_be_kept_is_refused():
    with inside(FakeRunningJob()) as job:
        ctx = upnext.get_current_context()
        with pytest.raises(upnext.ArgumentError, match="MAX_PAYLOAD_BYTES"):
            ctx.checkpoint("x" * 2_000_000)
        with pytest.raises(upnext.ArgumentError, match="MAX_PAYLOAD_BYTES"):
            ctx.send_log("info", "much", rows="x" * 2_000_000)

    assert (job.history, job.last_checkpoint) == ([], None)


def test_get_job_reads_redis_then_the_history(broker: FakeBroker):
    from upnext_django.declare import ports

    class History:
        def job(self, job_id: str) -> upnext.Job | None:
            return old if job_id == "old" else None

        async def ajob(self, job_id: str) -> upnext.Job | None:
            return self.job(job_id)

    old = upnext.Job(id="old", task_name="t", function_name="t", queue="q", status="complete", root_id="old")

    @upnext.task
    def add(a: int, b: int = 0) -> int:
        return a + b

    future = add.submit(1, b=2)
    broker.complete(future.job_id, 3)
    job = upnext.get_job(future.job_id)
    assert (job.status, job.args, job.kwargs, job.result, job.root_id) == (
        "complete", (1,), {"b": 2}, 3, future.job_id,
    )  # fmt: skip
    with pytest.raises(upnext.JobNotFound):
        upnext.get_job("old")

    ports.configure(history=History())

    assert upnext.get_job("old") is old
    with pytest.raises(upnext.JobNotFound):
        upnext.get_job("none")


async def test_aget_job_does_the_same(broker: FakeBroker):
    @upnext.task
    def fails() -> None: ...

    future = await fails.submit()
    broker.fail(future.job_id, "ValueError: no")

    job = await upnext.aget_job(future.job_id)
    assert (job.status, job.error, job.result) == ("failed", "ValueError: no", None)
    with pytest.raises(upnext.JobNotFound):
        await upnext.aget_job("none")
