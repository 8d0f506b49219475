"""Shared tasks, in Celery's words."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from upnext_django.contrib.celery import Celery, Task, shared_task
from upnext_django.contrib.celery.exceptions import SoftTimeLimitExceeded

app = Celery("tests")


@shared_task
def add(x: int, y: int = 1) -> int:
    return x + y


@shared_task(throws=(LookupError,))
def fails(text: str) -> None:
    raise ValueError(text)


@shared_task(bind=True)
def whoami(self: Task) -> list[object]:
    request = self.request
    place = request.delivery_info["routing_key"]
    return [request.id, request.correlation_id, request.root_id, request.task, place, request.called_directly]


@shared_task(bind=True, max_retries=1)
def retries_later(self: Task) -> int:
    if self.request.retries == 0:
        raise self.retry(eta=datetime.now(UTC) + timedelta(hours=1))
    return self.request.retries


@shared_task(bind=True)
def retries_with_others(self: Task, number: int) -> None:
    raise self.retry(args=[number + 1], countdown=0)


@shared_task(bind=True, max_retries=0)
def retries_never(self: Task) -> str:
    if self.request.retries == 0:
        raise self.retry(countdown=0, max_retries=1, throw=False)
    return "at the second attempt"


@shared_task(bind=True)
def shows_progress(self: Task) -> None:
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 4, "status": "a quarter"})


@shared_task(soft_time_limit=0.3)
def leaves_in_time(seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    return "done"


@shared_task(soft_time_limit=0.3)
def ignores_its_limit() -> list[str]:
    told = []
    try:
        while True:
            time.sleep(0.01)
    except SoftTimeLimitExceeded:
        told.append("heard")
    until = time.monotonic() + 0.5  # it is raised once
    while time.monotonic() < until:
        time.sleep(0.01)
    return [*told, "went on"]


@shared_task(time_limit=0.5, max_retries=3)
def hangs() -> None:
    while True:
        time.sleep(0.01)


@shared_task(queue="celery-held")
def waits_for_nobody() -> None: ...


@app.task(name="billing.total", ignore_result=True)
def total(*amounts: int) -> int:
    return sum(amounts)


@shared_task
def asks_another(x: int) -> int:
    value: int = add.delay(x).get(timeout=20)
    return value * 10


@shared_task
async def adds_in_the_loop(x: int, y: int) -> int:
    return x + y


@shared_task(rate_limit=600)
def is_limited() -> None: ...
