"""The code of the workflows guide, as its readers copy it; below it the tasks that the guide leaves out."""

import upnext_django as upnext
from upnext_django import TaskExecutionError

worker = upnext.Worker("my-worker")


@worker.task
async def fetch_data(source: str) -> dict:
    return {"source": source, "rows": 100}


@worker.task
async def transform(data: dict) -> dict:
    return {"transformed": True, **data}


@worker.task
async def pipeline(source: str) -> dict:
    raw = await fetch_data.wait(source=source)
    result = await transform.wait(data=raw.value)
    return result.value


@worker.task
async def parent_task():
    # child automatically gets parent_id=<this job> and root_id=<this job>
    result = await child_task.wait(x=1)

    # grandchild gets parent_id=<child job> and root_id=<this job>
    # (root stays the same through the entire tree)
    return result.value


@worker.task
async def orchestrator():
    try:
        result = await risky_child.wait(data="x")
        return result.value
    except TaskExecutionError as e:
        # Child failed — decide what to do
        return {"status": "degraded", "error": e.error}


@worker.task
async def resilient_pipeline():
    # Try primary source, fall back to secondary
    try:
        data = await fetch_primary.wait(query="data")
    except TaskExecutionError:
        data = await fetch_secondary.wait(query="data")

    return await process.wait(data=data.value)


@worker.task
async def fan_out_example(user_ids: list[str]) -> list[dict]:
    # Fan-out: submit all in parallel
    results = await upnext.gather(
        process_user.wait(user_id=uid)
        for uid in user_ids
    )
    # Fan-in: collect all results
    return [r.value for r in results]


@worker.task
async def batch_process(items: list[dict]) -> list:
    results = await upnext.map_tasks(
        process_item,
        [{"item": item} for item in items],
        concurrency=20,
    )
    return results


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
    ctx = upnext.get_current_context()
    results = []

    for i in range(1, segments + 1):
        ctx.set_progress(i / segments * 100, f"Segment {i}/{segments}")
        result = await segment.wait(segment=i)
        results.append(result.value)

    return {"segments": results}


# The guide ends here.


def lineage() -> dict[str, str | None]:
    ctx = upnext.get_current_context()
    return {"job": ctx.job_id, "parent": ctx.parent_id, "root": ctx.root_id}


@worker.task
async def child_task(x: int) -> list[dict[str, str | None]]:
    grandchild = await grandchild_task.wait(x=x)
    return [lineage(), grandchild.value]


@worker.task
async def grandchild_task(x: int) -> dict[str, str | None]:
    return lineage()


@worker.task
async def risky_child(data: str) -> str:
    raise ValueError(f"no such thing: {data}")


@worker.task
async def fetch_primary(query: str) -> str:
    raise ConnectionError("primary is down")


@worker.task
async def fetch_secondary(query: str) -> str:
    return f"{query} of the secondary"


@worker.task
async def process(data: str) -> str:
    return data.upper()


@worker.task
async def process_user(user_id: str) -> dict:
    return {"user": user_id}


@worker.task
async def process_item(item: dict) -> int:
    return int(item["number"]) * 2
