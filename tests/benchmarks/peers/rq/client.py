"""Submits to RQ."""

import os
from time import monotonic

import redis
import submitting
import tasks
from rq import Queue

queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_REDIS"], socket_timeout=None))


def echo(index):
    job = queue.enqueue(tasks.echo, index)
    deadline = monotonic() + 30
    while monotonic() < deadline:
        # RQ pushes each result on a stream of the job, on which this blocks.
        result = job.latest_result(timeout=30)
        if result is not None:
            return result.return_value
    return None


submitting.main(submit={"sync": lambda index: queue.enqueue(tasks.noop_sync, index)}, echo=echo)
