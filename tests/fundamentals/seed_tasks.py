"""The code of the tasks guide, as its readers copy it."""

import upnext_django as upnext

worker = upnext.Worker("my-worker")


@worker.task(retries=3, timeout=30.0)
async def process_order(order_id: str, items: list[str]) -> dict:
    ctx = upnext.get_current_context()
    ctx.set_progress(50, "Halfway done")
    return {"order_id": order_id, "status": "completed"}


@worker.task
async def simple_task(name: str) -> str:
    return f"Hello, {name}!"


@worker.task
def sync_task(data: list[str]) -> int:
    # Runs in a thread pool — no need for async
    return len(data)


@worker.task(
    on_start=lambda: print("Starting"),
    on_success=lambda: print("Done!"),
    on_failure=lambda: print("Failed"),
    on_retry=lambda: print("Retrying..."),
    on_complete=lambda: print("Complete (success or failure)"),
)
async def my_task():
    ...
