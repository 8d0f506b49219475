"""The code of the error handling guide, as its readers copy it; below it the tasks that it leaves out."""

import upnext_django as upnext

worker = upnext.Worker("my-worker")


@worker.task(retries=3)
async def flaky_task():
    # Will be retried up to 3 times on failure
    ...


@worker.task(
    retries=5,
    retry_delay=2.0,      # 2 seconds before first retry
    retry_backoff=2.0,     # Double the delay each time
)
async def api_call():
    # Retry delays: 2s, 4s, 8s, 16s, 32s
    ...


@worker.task(retries=3)
async def resilient_task():
    ctx = upnext.get_current_context()
    print(f"Attempt {ctx.attempt} of {ctx.max_attempts}")


@worker.task(timeout=30.0)  # 30 seconds
async def bounded_task():
    ...


async def on_task_failure():
    # Send an alert, log to external service, etc.
    ...


@worker.task(
    retries=3,
    on_failure=on_task_failure,
    on_retry=lambda: print("Retrying..."),
)
async def monitored_task():
    ...


# The guide ends here.


@worker.task(timeout=0.2)
async def slow_task(data: str) -> str:
    await upnext.gather(slow_task.options(delay=60).wait(data))
    return data


@worker.task
async def risky_task(x: int) -> float:
    return 1 / (x - 1)


@worker.task
async def task_a(x: int) -> int:
    return x


@worker.task
async def task_b(x: int) -> int:
    raise ValueError(f"not {x}")


@worker.task(retries=5, retry_delay=2.0, retry_backoff=2.0)
async def failing_api_call():
    raise ConnectionError("the service is down")
