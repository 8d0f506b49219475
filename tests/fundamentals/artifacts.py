"""Tasks that make files."""

import base64
import json
from typing import Any

import upnext_django as upnext
from upnext_django import ArtifactType

worker = upnext.Worker("artifacts")
crunching = upnext.Worker("artifacts-crunching", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@worker.task
async def in_a_loop() -> list[str]:
    return [
        await upnext.create_artifact("totals", {"orders": 3, "sum": "9.90"}),
        await upnext.create_artifact("Übersicht.csv", "id,sum\n1,9.90\n", ArtifactType.CSV),
        await upnext.get_current_context().create_artifact("dot.png", PNG, "png"),
    ]


@worker.task
def in_a_thread() -> list[str]:
    return write_three()


@crunching.task
def in_a_process() -> list[str]:
    return write_three()


def write_three() -> list[str]:
    return [
        upnext.create_artifact_sync("totals", {"orders": 3, "sum": "9.90"}),
        upnext.create_artifact_sync("Übersicht.csv", "id,sum\n1,9.90\n", ArtifactType.CSV),
        upnext.get_current_context().create_artifact_sync(
            "dot.png", base64.b64encode(PNG).decode(), ArtifactType.PNG
        ),
    ]


@worker.task
def with_name(name: str) -> str:
    return upnext.create_artifact_sync(name, "x", ArtifactType.TEXT)


@worker.task
async def of_size(count: int) -> str:
    return await upnext.create_artifact("large.bin", bytes(count), ArtifactType.BINARY)


@worker.task(retries=1, retry_delay=0.01)
async def fails_afterwards() -> None:
    await upnext.create_artifact("evidence", {"attempt": upnext.get_current_context().attempt})
    raise ValueError("after the file was made")


@worker.task
async def sync_call_in_a_loop() -> Any:
    upnext.create_artifact_sync("late", json.loads("{}"))
