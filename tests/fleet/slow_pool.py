"""A pool whose processes come up slowly."""

from __future__ import annotations

import multiprocessing
import time

import upnext_django as upnext

slow_pool = upnext.Worker("slow_pool", concurrency=2, sync_executor=upnext.SyncExecutor.PROCESS)

if multiprocessing.parent_process() is not None:
    time.sleep(3.0)


@slow_pool.task
def add(a: int, b: int) -> int:
    return a + b
