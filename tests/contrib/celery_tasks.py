"""Twenty tasks as users of Celery write them, run by Celery and, with other import lines, by us."""

from __future__ import annotations

import time
from datetime import date

from celery import chain, chord, group, shared_task
from celery.exceptions import MaxRetriesExceededError, SoftTimeLimitExceeded
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)


class PaymentRefused(Exception):
    """The bank said no."""


@shared_task
def add(x, y):
    return x + y


@shared_task()
def send_mail(to, subject="Hello", *, cc=()):
    logger.info("to %s", to)
    return {"to": to, "subject": subject, "cc": cc}


@shared_task(name="reports.totals")
def totals(numbers):
    return {"sum": sum(numbers), "mean": sum(numbers) / len(numbers), "all": sorted(numbers)}


@shared_task(bind=True)
def describe(self, *args, **kwargs):
    request = self.request
    told = [self.name.rpartition(".")[2], request.retries, request.args]
    return [*told, request.kwargs, request.id] if kwargs else told


@shared_task(bind=True, max_retries=3, default_retry_delay=0)
def import_feed(self, url):
    try:
        if self.request.retries < 2:
            raise ConnectionError(f"{url} is away")
    except ConnectionError as exc:
        raise self.retry(exc=exc) from exc
    return self.request.retries


@shared_task(bind=True, max_retries=2)
def charge(self, order):
    try:
        raise ConnectionError(f"no answer for {order}")
    except ConnectionError as exc:
        raise self.retry(exc=exc, countdown=0) from exc


@shared_task(bind=True, max_retries=1)
def poll(self, job):
    self.retry(countdown=0)


@shared_task(bind=True, max_retries=1)
def poll_longer(self, enough):
    if self.request.retries < enough:
        raise self.retry(countdown=0, max_retries=5)
    return self.request.retries


@shared_task(bind=True, max_retries=0)
def give_up(self):
    try:
        raise self.retry(countdown=0)
    except MaxRetriesExceededError:
        return "gave up"


@shared_task(bind=True, autoretry_for=(ConnectionError,), retry_kwargs={"max_retries": 2, "countdown": 0})
def fetch(self, url):
    if self.request.retries < 2:
        raise ConnectionError(url)
    return f"{url} after {self.request.retries}"


@shared_task(bind=True, autoretry_for=(OSError,), retry_backoff=1, retry_backoff_max=1, retry_jitter=True)
def fetch_politely(self):
    if self.request.retries < 1:
        raise TimeoutError("slow")
    return self.request.retries


@shared_task(
    bind=True, autoretry_for=(Exception,), dont_autoretry_for=(PaymentRefused,), default_retry_delay=0
)
def pay(self, amount):
    if amount < 0:
        raise PaymentRefused(f"{amount} at attempt {self.request.retries}")
    return amount


@shared_task(throws=(KeyError,))
def look_up(key):
    return {"a": 1}[key]


@shared_task
def divide(x, y):
    return x / y


@shared_task(ignore_result=True)
def note(text):
    return text


@shared_task(soft_time_limit=1, time_limit=20)
def tidy():
    try:
        while True:
            time.sleep(0.02)
    except SoftTimeLimitExceeded:
        return "tidied"


@shared_task(time_limit=1)
def hang():
    while True:
        time.sleep(0.02)


@shared_task(queue="reports", rate_limit="600/m", acks_late=True)
def report(day):
    return date.fromisoformat(day).strftime("%d.%m.%Y")


@shared_task(priority=5, expires=3600, serializer="json", track_started=True)
def resize(sizes):
    return [(width // 2, height // 2) for width, height in sizes]


@shared_task
def fan_out(names):
    return len([send_mail.delay(name, cc=["boss"]).id for name in names])


def pipeline(start):
    return chain(add.s(start, 1), add.s(10), describe.si("end"))()


def checkout(amounts):
    return chord(pay.s(amount) for amount in amounts)(totals.s())


def squares(numbers):
    return group(add.s(number, number) for number in numbers).apply_async()


def broken_pipeline():
    return (divide.s(1, 0) | add.s(1)).delay()
