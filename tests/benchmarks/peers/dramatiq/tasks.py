"""Dramatiq's side: the same jobs, results only where they are waited for."""

import os

import django
import dramatiq
import stamps
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware.asyncio import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

django.setup()

from shop.models import place  # noqa: E402  (models need the setup above)

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
broker.add_middleware(AsyncIO())
if "BENCH_RESULTS" in os.environ:
    broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_REDIS"])))
dramatiq.set_broker(broker)


@dramatiq.actor
async def noop_async(index):
    stamps.mark(index)


@dramatiq.actor
def noop_sync(index):
    stamps.mark(index)


@dramatiq.actor
def orm(index):
    place(index)
    stamps.mark(index)


if "BENCH_RESULTS" in os.environ:

    @dramatiq.actor(store_results=True)
    def echo(index):
        return index
