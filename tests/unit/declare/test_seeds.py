# mypy: disable-error-code="type-arg, no-any-return"
"""The examples that users know from upnext and aioq, run by a worker in memory."""

import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeWorker
from upnext_django import TaskExecutionError


async def test_submit_and_wait(broker: FakeBroker):
    worker = upnext.Worker("my-worker")

    @worker.task(retries=3, timeout=30.0)
    async def process_order(order_id: str, items: list[str]) -> dict:
        ctx = upnext.get_current_context()
        ctx.set_progress(50, "Halfway done")
        return {"order_id": order_id, "status": "completed"}

    FakeWorker(broker)

    future = await process_order.submit(order_id="123", items=["A", "B"])
    assert future.job_id
    assert await future.value() == {"order_id": "123", "status": "completed"}
    result = await process_order.wait(order_id="123", items=["A", "B"])
    assert result.value == {"order_id": "123", "status": "completed"}


async def test_a_pipeline_of_three_levels_has_one_root(broker: FakeBroker):
    worker = upnext.Worker("my-worker")

    @worker.task
    async def step(segment: int, step: int) -> dict:
        ctx = upnext.get_current_context()
        ctx.set_progress(100, f"Segment {segment}, step {step} done")
        return {"segment": segment, "step": step}

    @worker.task
    async def segment(segment: int, steps: int = 3) -> dict:
        ctx = upnext.get_current_context()
        completed = []
        for i in range(1, steps + 1):
            ctx.set_progress(i / steps * 100, f"Step {i}/{steps}")
            result = await step.wait(segment=segment, step=i)
            completed.append(result.value)
        return {"segment": segment, "steps": completed}

    @worker.task
    async def flow(segments: int = 3) -> dict:
        results = []
        for i in range(1, segments + 1):
            result = await segment.wait(segment=i)
            results.append(result.value)
        return {"segments": results}

    FakeWorker(broker, concurrency=1)

    result = await flow.wait()

    assert len(result.value["segments"]) == 3
    envelopes = {job.id: broker.envelope(job.id) for job in broker.jobs}
    assert len(envelopes) == 1 + 3 + 9
    assert {e.root_id for e in envelopes.values()} == {None, result.job_id}
    steps = [e for e in envelopes.values() if e.function == step.name]
    assert {envelopes[e.parent_id or ""].function for e in steps} == {segment.name}


async def test_a_childs_failure_is_the_parents_to_handle(broker: FakeBroker):
    worker = upnext.Worker("my-worker")

    @worker.task
    async def risky_child(data: str) -> str:
        raise ValueError(data)

    @worker.task
    async def orchestrator() -> dict:
        try:
            result = await risky_child.wait(data="x")
            return {"value": result.value}
        except TaskExecutionError as e:
            return {"status": "degraded", "error": e.error}

    FakeWorker(broker)

    assert (await orchestrator.wait()).value == {"status": "degraded", "error": "ValueError: x"}


async def test_fan_out_and_batches(broker: FakeBroker):
    worker = upnext.Worker("my-worker")

    @worker.task
    async def process_user(user_id: str) -> dict:
        return {"user": user_id}

    @worker.task
    def process_item(item: dict) -> int:
        return item["n"] * 2

    @worker.task
    async def fan_out_example(user_ids: list[str]) -> list[dict]:
        results = await upnext.gather(process_user.wait(user_id=uid) for uid in user_ids)
        return [r.value for r in results]

    @worker.task
    async def batch_process(items: list[dict]) -> list:
        return await upnext.map_tasks(process_item, [{"item": item} for item in items], concurrency=20)

    FakeWorker(broker)

    assert (await fan_out_example.wait(user_ids=["a", "b"])).value == [{"user": "a"}, {"user": "b"}]
    assert (await batch_process.wait([{"n": n} for n in range(50)])).value == [2 * n for n in range(50)]


async def test_results_of_gather_with_exceptions(broker: FakeBroker):
    @upnext.task
    async def task_a(x: int) -> int:
        return x

    @upnext.task
    async def task_b(x: int) -> int:
        raise KeyError(x)

    FakeWorker(broker)

    results = await upnext.gather(task_a.wait(x=1), task_b.wait(x=2), return_exceptions=True)

    shown = [r.error if isinstance(r, TaskExecutionError) else r.value for r in results]  # type: ignore[union-attr]
    assert shown == [1, "KeyError: 2"]


async def test_a_context_argument_and_enqueue(broker: FakeBroker):
    seen = []

    @upnext.task(queue="default", retries=5, retry_delay=30.0, save_result=True, result_ttl=7200)
    async def child_task(ctx, n: int) -> int:
        seen.append((ctx["worker_id"], n))
        return n * n

    @upnext.task()
    async def parent_task(ctx, n: int):
        for i in range(n):
            await child_task.enqueue(i)
        return ctx["job_id"]

    FakeWorker(broker)

    job = await parent_task.enqueue(3)
    assert (job.status, job.task_name, job.max_retries) == ("queued", parent_task.name, 0)
    assert parent_task.name == f"{parent_task.__module__}.{parent_task.__qualname__}"

    [result] = await upnext.gather([parent_task.wait(0)])
    assert result.value == result.job_id
    assert (await child_task.wait(5)).value == 25
    assert seen[-1] == ("worker-id", 5)


@pytest.mark.parametrize("hook", ["on_start", "on_success", "on_failure", "on_retry", "on_complete"])
def test_lifecycle_hooks_are_declared(hook):
    worker = upnext.Worker("my-worker")

    @worker.task(**{hook: lambda: None})  # type: ignore[call-overload, untyped-decorator]
    async def my_task() -> None: ...

    assert getattr(my_task.definition, hook) is not None
