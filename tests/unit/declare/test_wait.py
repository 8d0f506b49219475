"""Futures and wait(): what a waiter gets, and what stopping to wait leaves alone."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeRunningJob, FakeWorker, inside
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus


@pytest.fixture
def double():
    worker = upnext.Worker("sums")

    @worker.task
    def double(n: int) -> int:
        return 2 * n

    return double


class TestFuture:
    async def test_a_result_tells_how_the_job_ended(self, broker: FakeBroker, double):
        future = await double.submit(2)
        broker.complete(future.job_id, 4)

        result = await future.result()

        assert result.ok
        assert (result.value, result.status, result.attempts) == (4, "complete", 1)
        assert (result.job_id, result.function, result.function_name) == (
            future.job_id,
            double.name,
            "double",
        )
        assert (result.parent_id, result.root_id) == (None, future.job_id)
        assert result.started_at == datetime.fromtimestamp(1_700_000_000, UTC)
        assert result.completed_at == datetime.fromtimestamp(1_700_000_001, UTC)
        assert await future.value() == 4
        assert broker.open_waiters == set()

    async def test_a_result_has_the_type_that_the_function_names(self, broker: FakeBroker):
        @upnext.task
        async def when() -> datetime:
            return datetime.now(UTC)

        future = await when.submit()
        broker.complete(future.job_id, "2030-01-01T00:00:00Z")

        assert await future.value() == datetime(2030, 1, 1, tzinfo=UTC)

    async def test_a_failed_job_raises_with_its_result(self, broker: FakeBroker, double):
        future = await double.submit(2)
        broker.fail(future.job_id, "ValueError: no")

        with pytest.raises(upnext.TaskExecutionError) as caught:
            await future.value()

        error = caught.value
        assert (error.job_id, error.status, error.error) == (future.job_id, "failed", "ValueError: no")
        assert error.task_result.attempts == 2
        assert not error.task_result.ok
        assert not isinstance(error, upnext.TaskTimeoutError)

    async def test_a_job_that_ran_too_long_raises_task_timeout_error(self, broker: FakeBroker, double):
        future = await double.submit(2)
        broker.fail(future.job_id, "30.0 seconds", timed_out=True)

        with pytest.raises(upnext.TaskTimeoutError) as caught:
            await future.result()

        assert caught.value.error == "30.0 seconds"

    async def test_a_job_cancelled_before_it_ran_raises(self, broker: FakeBroker, double):
        future = await double.submit(2)

        assert await future.cancel(tree=True) is True
        assert await future.cancel() is False

        assert broker.cancelled == [(future.job_id, True), (future.job_id, False)]
        assert await future.status() == "cancelled"
        with pytest.raises(upnext.TaskExecutionError) as caught:
            await future.result()
        assert (caught.value.status, caught.value.task_result.started_at) == ("cancelled", None)

    async def test_a_value_that_was_not_saved_is_none(self, broker: FakeBroker, double):
        future = await double.submit(2)
        broker.end(future.job_id, JobStatus.COMPLETE, SettleData(attempt=1, started_ms=1))

        assert await future.value() is None

    async def test_waiting_too_long_raises_timeout_error_and_the_job_goes_on(
        self, broker: FakeBroker, double
    ):
        future = await double.submit(2)

        with pytest.raises(TimeoutError, match=f"{future.job_id} has not ended after 0.01 s"):
            await future.result(timeout=0.01)

        assert broker.cancelled == []
        assert broker.open_waiters == set()
        broker.complete(future.job_id, 4)
        assert await future.value(timeout=1) == 4

    async def test_a_job_that_is_gone_raises_job_not_found(self, broker: FakeBroker, double):
        future = await double.submit(2)
        broker.rows.clear()

        with pytest.raises(upnext.JobNotFound):
            await future.result()
        with pytest.raises(upnext.JobNotFound):
            await future.status()

    async def test_sync_waits_in_a_loop_name_the_async_twin(self, broker: FakeBroker, double):
        future = await double.submit(2)

        with pytest.raises(RuntimeError, match=r"await future\.result\(\)"):
            future.result_sync()
        with pytest.raises(RuntimeError, match=r"await future\.value\(\)"):
            future.value_sync()
        with pytest.raises(RuntimeError, match=r"await task\.wait\(\)"):
            double.wait_sync(2)
        with pytest.raises(RuntimeError, match=r"await gather\(\)"):
            upnext.gather_sync(future)
        with pytest.raises(RuntimeError, match=r"await map_tasks\(\)"):
            upnext.map_tasks_sync(double, [(1,)])
        with pytest.raises(RuntimeError, match=r"await first_completed\(\)"):
            upnext.first_completed_sync(future)

    async def test_another_thread_may_wait_for_a_job_whose_send_is_not_answered_yet(
        self, broker: FakeBroker, double
    ):
        future = double.submit(2)
        broker.on_accept = lambda job: broker.complete(job.id, 4)

        assert await asyncio.to_thread(future.value_sync, 5) == 4

    async def test_stopping_to_wait_for_the_answer_leaves_the_submit_alone(self, broker: FakeBroker, double):
        future = double.submit(2)

        async def hear() -> None:
            await future

        hearing = asyncio.create_task(hear())
        broker.on_accept = lambda job: hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing

        assert await future is future
        assert [job.id for job in broker.jobs] == [future.job_id]

    async def test_a_childs_result_has_its_lineage(self, broker: FakeBroker, double):
        with inside(FakeRunningJob(job_id="p", root_id="top")):
            future = await double.submit(2)
            broker.complete(future.job_id, 4)
            result = await future.result()

        assert (result.parent_id, result.root_id) == ("p", "top")

    async def test_a_duplicates_result_is_the_winners_with_its_lineage(self, broker: FakeBroker, double):
        with inside(FakeRunningJob(job_id="p", root_id="top")):
            winner = await double.submit_idempotent("k", 2)
        loser = await double.submit_idempotent("k", 2)
        broker.complete(winner.job_id, 4)

        result = await loser.result()

        assert (result.job_id, result.parent_id, result.root_id) == (winner.job_id, "p", "top")


class TestWait:
    async def test_one_round_trip_submits_and_subscribes(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.complete(job.id, 4)

        result = await double.wait(n=2)

        assert result.value == 4
        assert dict(broker.calls) == {"submit_soon": 1}
        assert broker.jobs[0].reply == broker.client_id
        assert broker.listened == {"sums"}
        assert broker.open_waiters == set()

    async def test_it_is_a_coroutine_with_an_id_and_submits_when_first_awaited(
        self, broker: FakeBroker, double
    ):
        broker.on_accept = lambda job: broker.complete(job.id, 4)
        waiting = double.wait(2)
        await asyncio.sleep(0)
        assert broker.jobs == []

        task = asyncio.create_task(waiting)

        assert (await task).job_id == waiting.job_id
        assert [result.value for result in await asyncio.gather(double.wait(2), double.wait(2))] == [4, 4]

    async def test_one_that_nobody_awaits_is_told_by_python(self, broker: FakeBroker, double):
        with pytest.warns(RuntimeWarning, match=r"double\.wait' was never awaited"):
            double.wait(2)

    async def test_cancelling_the_code_that_awaits_leaves_the_job_running(self, broker: FakeBroker, double):
        waiting = double.wait(2)
        task = asyncio.create_task(waiting)
        broker.on_accept = lambda job: task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task

        assert broker.cancelled == []
        assert broker.rows[waiting.job_id].status == "queued"
        assert broker.open_waiters == set()

    async def test_cancel_cancels_the_job_and_whoever_waits_is_told(self, broker: FakeBroker, double):
        waiting = double.wait(2)
        accepted = asyncio.Event()
        broker.on_accept = lambda job: accepted.set()
        task = asyncio.create_task(waiting)
        await accepted.wait()

        assert await waiting.cancel() is True

        with pytest.raises(upnext.TaskExecutionError, match="cancelled"):
            await task

    async def test_cancelled_before_it_is_awaited_it_is_never_submitted(self, broker: FakeBroker, double):
        waiting = double.wait(2)

        assert await waiting.cancel() is True

        with pytest.raises(upnext.TaskExecutionError, match="before it was submitted"):
            await waiting
        assert broker.jobs == []

    async def test_wait_timeout_bounds_the_wait(self, broker: FakeBroker, double):
        with pytest.raises(TimeoutError):
            await double.wait(2, wait_timeout=0.01)
        with pytest.raises(TimeoutError):
            await double.options(wait_timeout=0.01).wait(2)

        assert len(broker.jobs) == 2

    async def test_a_task_with_a_parameter_of_that_name_gets_wait_timeout_itself(self, broker: FakeBroker):
        @upnext.task
        def nap(wait_timeout: float) -> None: ...

        broker.on_accept = lambda job: broker.complete(job.id)
        await nap.wait(wait_timeout=0.5)

        assert bytes(broker.envelope(broker.jobs[0].id).args) == b'[[],{"wait_timeout":0.5}]'

    async def test_a_job_that_exists_already_is_watched(self, broker: FakeBroker, double):
        """A parent that runs again after a crash finds the child it had, which has ended meanwhile."""
        with inside(FakeRunningJob(job_id="p")):
            first = await double.submit(2)
        broker.complete(first.job_id, 4)

        with inside(FakeRunningJob(job_id="p")):
            result = await double.wait(2)

        assert (result.value, result.job_id) == (4, first.job_id)
        assert len(broker.jobs) == 1

    async def test_wait_idempotent_waits_for_the_live_job_of_the_key(self, broker: FakeBroker, double):
        live = await double.submit_idempotent("k", 2)
        task = asyncio.create_task(double.wait_idempotent("k", 3))
        broker.complete(live.job_id, 4)

        assert (await task).value == 4

    def test_wait_sync_gives_the_result(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.complete(job.id, 4)

        assert double.wait_sync(2).value == 4
        assert double.wait_idempotent_sync("k", 2, wait_timeout=5).value == 4
        assert dict(broker.calls) == {"submit_sync": 2}

    def test_wait_sync_too_long_raises_timeout_error(self, broker: FakeBroker, double):
        with pytest.raises(TimeoutError):
            double.wait_sync(2, wait_timeout=0.01)
        assert broker.open_waiters == set()


class TestTheSlotOfAParent:
    async def test_every_wait_gives_the_slot_back_and_takes_it_again(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.complete(job.id, 4)
        with inside(FakeRunningJob()) as parent:
            await double.wait(2)
            await (await double.submit(3)).value()

        assert parent.history == ["suspend", "resume"] * 2

    async def test_a_wait_that_is_cancelled_takes_the_slot_again(self, broker: FakeBroker, double):
        class TimesOut(FakeRunningJob):
            async def suspend(self) -> None:
                await super().suspend()
                limit.reschedule(asyncio.get_running_loop().time())

        with inside(TimesOut()) as parent, pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await double.wait(2)

        assert parent.history == ["suspend", "resume"]

    async def test_a_wait_cancelled_while_it_gives_the_slot_back_or_takes_it_still_balances(
        self, broker: FakeBroker, double
    ):
        class Slow(FakeRunningJob):
            async def suspend(self) -> None:
                waiter.cancel()
                await asyncio.sleep(0)
                await super().suspend()

            async def resume(self) -> None:
                waiter.cancel()
                await asyncio.sleep(0)
                await super().resume()

        with inside(Slow()) as parent:
            waiter = asyncio.create_task(double.wait(2))
            with pytest.raises(asyncio.CancelledError):
                await waiter

        assert (parent.waits, parent.history) == (0, ["suspend", "resume"])

    async def test_a_failed_wait_takes_the_slot_again(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.fail(job.id)
        with inside(FakeRunningJob()) as parent, pytest.raises(upnext.TaskExecutionError):
            await double.wait(2)

        assert parent.history == ["suspend", "resume"]

    def test_sync_waits_do_the_same(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.complete(job.id, 4)
        with inside(FakeRunningJob()) as parent:
            double.wait_sync(2)
            double.submit(2).value_sync()
            upnext.gather_sync(double.submit(n) for n in range(3))
            upnext.map_tasks_sync(double, [(1,), (2,)])
            broker.on_accept = None
            with pytest.raises(TimeoutError):
                double.submit(2).result_sync(timeout=0.01)

        assert parent.waits == 0
        assert parent.history == ["suspend", "resume"] * 5

    def test_a_wait_in_a_thread_of_the_job_counts_too(self, broker: FakeBroker, double):
        import contextvars

        broker.on_accept = lambda job: broker.complete(job.id, 4)
        with inside(FakeRunningJob()) as parent:
            thread = threading.Thread(target=contextvars.copy_context().run, args=(double.wait_sync, 2))
            thread.start()
            thread.join()

        assert parent.history == ["suspend", "resume"]

    @pytest.mark.parametrize("concurrency", [1, 2])
    async def test_a_deep_and_wide_tree_completes_with_few_slots(self, broker: FakeBroker, concurrency):
        worker = upnext.Worker("trees")

        @worker.task
        async def grow(depth: int) -> int:
            if depth == 0:
                return 1
            return sum(r.value for r in await upnext.gather(grow.wait(depth - 1) for _ in range(3)))

        fake = FakeWorker(broker, concurrency=concurrency)

        result = await grow.options(wait_timeout=10).wait(4)

        assert result.value == 81
        assert fake.slots._value == concurrency
        envelopes = [broker.envelope(job.id) for job in broker.jobs[1:]]
        assert {envelope.root_id for envelope in envelopes} == {result.job_id}
