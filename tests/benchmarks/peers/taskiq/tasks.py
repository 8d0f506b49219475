"""taskiq's side: the same jobs on Redis Streams, results only where they are waited for."""

import os

import stamps
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

# consumer_id 0: the default begins after what was queued before the worker.
broker = RedisStreamBroker(url=os.environ["BENCH_REDIS"], xread_count=100, consumer_id="0")
if "BENCH_RESULTS" in os.environ:
    broker = broker.with_result_backend(RedisAsyncResultBackend(redis_url=os.environ["BENCH_REDIS"]))


@broker.task
async def noop_async(index):
    stamps.mark(index)


@broker.task
def noop_sync(index):
    stamps.mark(index)


@broker.task
async def echo(index):
    return index
