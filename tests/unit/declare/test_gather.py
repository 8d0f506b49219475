"""gather, map_tasks, first_completed and submit_many, async and sync."""

import asyncio
import threading

import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeSender, FakeWorker


@pytest.fixture
def double():
    worker = upnext.Worker("sums")

    @worker.task
    def double(n: int) -> int:
        if n < 0:
            raise ValueError(f"{n} is negative")
        return 2 * n

    return double


class TestGather:
    async def test_futures_give_values_and_waits_give_results_in_order(self, broker: FakeBroker, double):
        FakeWorker(broker)

        async def plain() -> str:
            return "plain"

        value, result, other = await upnext.gather(double.submit(1), double.wait(2), plain())

        assert (value, result.value, other) == (2, 4, "plain")

    async def test_one_iterable_will_do(self, broker: FakeBroker, double):
        FakeWorker(broker)

        assert await upnext.gather(double.submit(n) for n in range(3)) == [0, 2, 4]
        assert await upnext.gather([double.submit(1)]) == [2]
        assert await upnext.gather(upnext.submit_many(double, [(1,), (2,)])) == [2, 4]
        assert await upnext.gather(await upnext.submit_many(double, [(1,)])) == [2]
        assert await upnext.gather([]) == []
        assert await upnext.gather() == []

    async def test_the_first_failure_is_raised_and_leaves_the_other_jobs_running(
        self, broker: FakeBroker, double
    ):
        slow = double.wait(1)
        broker.on_accept = lambda job: job.id != slow.job_id and broker.fail(job.id)

        with pytest.raises(upnext.TaskExecutionError, match="ValueError: no"):
            await upnext.gather(slow, double.wait(2))

        assert broker.cancelled == []
        assert broker.rows[slow.job_id].status == "queued"
        assert broker.open_waiters == set()

    async def test_failures_can_be_collected(self, broker: FakeBroker, double):
        FakeWorker(broker)

        ok, failed = await upnext.gather(double.wait(1), double.wait(-1), return_exceptions=True)

        assert not isinstance(ok, BaseException)
        assert ok.value == 2
        assert isinstance(failed, upnext.TaskExecutionError)
        assert failed.error == "ValueError: -1 is negative"

    def test_sync(self, broker: FakeBroker, double):
        broker.on_accept = lambda job: broker.complete(job.id, job.lane)
        futures = [double.options(priority=p).submit(1) for p in (5, 0, -5)]

        assert upnext.gather_sync(*futures) == [0, 1, 2]
        assert upnext.gather_sync(futures[:1]) == [0]

    def test_sync_raises_the_failure_that_comes_first(self, broker: FakeBroker, double):
        slow, bad = double.submit(1), double.submit(2)
        broker.fail(bad.job_id)

        with pytest.raises(upnext.TaskExecutionError):
            upnext.gather_sync(slow, bad)

        assert broker.open_waiters == set()
        broker.complete(slow.job_id, 2)
        value, error = upnext.gather_sync(slow, bad, return_exceptions=True)
        assert value == 2
        assert isinstance(error, upnext.TaskExecutionError)


class TestMapTasks:
    async def test_values_come_in_the_order_of_the_inputs_and_few_jobs_live_at_once(
        self, broker: FakeBroker, double
    ):
        fake = FakeWorker(broker, concurrency=100)

        values = await upnext.map_tasks(double, ({"n": n} for n in range(50)), concurrency=4)

        assert values == [2 * n for n in range(50)]
        assert fake.most <= 4

    async def test_a_failure_is_raised_and_nothing_more_is_submitted(self, broker: FakeBroker, double):
        FakeWorker(broker)

        with pytest.raises(upnext.TaskExecutionError, match="-1 is negative"):
            await upnext.map_tasks(double, [(1,), (-1,), *[(n,) for n in range(100)]], concurrency=2)

        assert len(broker.jobs) < 10
        assert broker.open_waiters == set()

    async def test_options_are_kept(self, broker: FakeBroker, double):
        FakeWorker(broker)

        await upnext.map_tasks(double.options(priority=5), [(1,)])

        assert broker.jobs[0].lane == 0

    @pytest.mark.parametrize("wrong", [5, "text", [1]])
    async def test_an_input_that_is_neither_dict_nor_tuple_is_refused(
        self, broker: FakeBroker, double, wrong
    ):
        with pytest.raises(TypeError, match=r"inputs\[0\]"):
            await upnext.map_tasks(double, [wrong])

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
    async def test_a_concurrency_that_makes_no_sense_is_refused(self, broker: FakeBroker, double, wrong):
        with pytest.raises(ValueError, match="1 or more"):
            await upnext.map_tasks(double, [(1,)], concurrency=wrong)

    def test_sync_keeps_as_many_jobs_going_as_it_may(self, broker: FakeBroker, double):
        """A slow first job holds up nothing but itself."""
        most = 0

        def work(job) -> None:
            nonlocal most
            live = [row for row in broker.rows.values() if row.ending is None]
            most = max(most, len(live))
            if len(broker.jobs) > 1:
                threading.Timer(0, broker.complete, (job.id, len(broker.jobs))).start()
            if len(broker.jobs) == 10:
                threading.Timer(0, broker.complete, (broker.jobs[0].id, 1)).start()

        broker.on_accept = work

        assert upnext.map_tasks_sync(double, [(n,) for n in range(10)], concurrency=3) == list(range(1, 11))
        assert most <= 3


class TestFirstCompleted:
    async def test_the_first_wins_and_the_other_jobs_are_cancelled(self, broker: FakeBroker, double):
        slow, fast = double.wait(1), double.wait(2)
        named = asyncio.create_task(slow)
        broker.on_accept = lambda job: job.id == fast.job_id and broker.complete(job.id, 4)
        other = await double.submit(3)

        result = await upnext.first_completed(named, fast, other)

        assert result.value == 4
        assert {job_id for job_id, _ in broker.cancelled} == {slow.job_id, other.job_id}
        assert broker.open_waiters == set()

    async def test_a_failure_counts_as_well(self, broker: FakeBroker, double):
        bad, slow = double.wait(1), double.wait(2)
        broker.on_accept = lambda job: job.id == bad.job_id and broker.fail(job.id)

        with pytest.raises(upnext.TaskExecutionError):
            await upnext.first_completed([bad, slow])

        assert broker.cancelled == [(slow.job_id, False)]

    async def test_at_its_timeout_all_jobs_are_cancelled(self, broker: FakeBroker, double):
        waits = [double.wait(1), double.wait(2)]

        with pytest.raises(TimeoutError, match=r"None of 2 ended within 0\.01 s"):
            await upnext.first_completed(*waits, timeout=0.01)

        assert {job_id for job_id, _ in broker.cancelled} == {wait.job_id for wait in waits}

    async def test_cancelling_the_code_that_awaits_cancels_no_job(self, broker: FakeBroker, double):
        racing = asyncio.create_task(upnext.first_completed(double.wait(1), double.wait(2)))
        broker.on_accept = lambda job: len(broker.jobs) < 2 or racing.cancel()

        with pytest.raises(asyncio.CancelledError):
            await racing

        assert broker.cancelled == []
        assert broker.open_waiters == set()

    async def test_nothing_to_wait_for_is_refused(self):
        with pytest.raises(ValueError, match="nothing to wait for"):
            await upnext.first_completed()

    def test_sync(self, broker: FakeBroker, double):
        slow, fast = double.submit(1), double.submit(2)
        threading.Timer(0, broker.complete, (fast.job_id, 4)).start()

        assert upnext.first_completed_sync(slow, fast, timeout=5) == 4
        assert broker.cancelled == [(slow.job_id, False)]

    def test_sync_at_its_timeout_cancels_all(self, broker: FakeBroker, double):
        futures = [double.submit(1), double.submit(2)]

        with pytest.raises(TimeoutError, match="None of 2"):
            upnext.first_completed_sync(futures, timeout=0.01)

        assert {job_id for job_id, _ in broker.cancelled} == {future.job_id for future in futures}


class TestSubmitMany:
    def test_sync_code_has_sent_them_on_return_in_batches_of_200(self, broker: FakeBroker, double):
        futures = upnext.submit_many(double, ({"n": n} for n in range(450)))

        assert [future.job_id for future in futures] == [job.id for job in broker.jobs]
        assert broker.sizes == [200, 200, 50]
        assert dict(broker.calls) == {"submit_stream_sync": 3}
        broker.complete(futures[-1].job_id, 898)
        assert futures[-1].value_sync() == 898

    async def test_async_code_awaits_them(self, broker: FakeBroker, double):
        sending = upnext.submit_many(double, [(n,) for n in range(450)])

        futures = await sending

        assert [future.job_id for future in futures] == [job.id for job in broker.jobs]
        assert broker.sizes == [200, 200, 50]
        assert await sending == futures

    async def test_one_that_nobody_awaits_is_told_by_python(self, broker: FakeBroker, double):
        with pytest.warns(RuntimeWarning, match=r"submit_many.* was never awaited"):
            upnext.submit_many(double, [(1,)])

    def test_in_a_transaction_they_leave_on_commit(self, broker: FakeBroker, sender: FakeSender, double):
        first, second = upnext.submit_many(double, [(1,), (2,)])
        assert broker.jobs == []
        with pytest.raises(upnext.WaitInTransaction):
            upnext.gather_sync(first, second)

        sender.commit()

        assert [job.id for job in broker.jobs] == [first.job_id, second.job_id]

    def test_a_duplicate_leads_to_the_live_job(self, broker: FakeBroker, double):
        first, second = upnext.submit_many(double.options(key="k"), [(1,), (2,)])
        broker.complete(first.job_id, 2)

        assert second.value_sync() == 2

    def test_an_error_says_how_many_were_sent_before(self, broker: FakeBroker, double):
        with pytest.raises(TypeError, match="too many positional") as caught:
            upnext.submit_many(double, [*[(1,)] * 300, (1, 2)])

        assert caught.value.__notes__ == ["200 jobs of this submit_many() were submitted before."]
        assert len(broker.jobs) == 200
