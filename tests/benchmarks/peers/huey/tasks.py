"""Huey's side: the same jobs; it stores a result unless that is None."""

import os

import django
import stamps
from huey import RedisHuey

django.setup()

from shop.models import place  # noqa: E402  (models need the setup above)

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], notify_result=True)


@huey.task()
def noop_sync(index):
    stamps.mark(index)


@huey.task()
def orm(index):
    place(index)
    stamps.mark(index)


@huey.task()
def echo(index):
    return index
