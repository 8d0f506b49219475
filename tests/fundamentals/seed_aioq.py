"""The code of aioq's guide to tasks, as its readers copy it, with other import lines."""

import httpx

from upnext_django.contrib.aioq import Aarq
from upnext_django.contrib.aioq.backends import RedisBroker

app = Aarq(broker=RedisBroker())


@app.task(queue="default")
async def my_task(ctx, message: str) -> str:
    print(f"Running: {message}")
    return message.upper()


@app.task(
    queue="default",      # (str) queue to publish to
    retries=0,            # (int) max retry attempts on failure
    retry_delay=5.0,      # (float) seconds to wait before each retry
    save_result=False,    # (bool) persist return value in the broker
    result_ttl=3600,      # (int) seconds to keep the result (Redis only)
)
async def my_task_with_options(ctx):
    ...


@app.task()
async def my_task_with_context(ctx, arg1, arg2):
    worker_id = ctx["worker_id"]  # str — UUID of the executing worker
    job_id    = ctx["job_id"]     # str — UUID of the current job
    broker    = ctx["broker"]     # BaseBroker — broker instance
    job = await broker.get_job(job_id)
    print(f"[{arg1} {arg2}] {worker_id == job.worker_id} {job_id == job.id} {job.status}")


@app.task(queue="default")
async def child_task(ctx, i: int):
    print(f"[child {i} of {ctx['job_id']}]")


@app.task(queue="default")
async def parent_task(ctx, n: int):
    for i in range(n):
        await child_task.enqueue(i)


@app.task(queue="default", retries=5, retry_delay=30.0)
async def flaky_api_call(ctx, url: str):
    async with httpx.AsyncClient() as client:
        response = await client.get(url, timeout=10)
        response.raise_for_status()
        return response.json()


@app.task(queue="default", save_result=True, result_ttl=7200)
async def compute(ctx, n: int) -> int:
    return n * n


# In module "myapp.tasks"
@app.task()
async def send_email(ctx, to: str): ...
