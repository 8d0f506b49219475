"""What shared_task makes of Celery's options, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from upnext_django import DefinitionError
from upnext_django.contrib.celery import Task, shared_task
from upnext_django.contrib.celery.options import CeleryOptions, read_options
from upnext_django.declare.registry import registry


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


def work(number: int) -> None: ...


def test_the_defaults_are_those_of_celery():
    task = shared_task(work)

    definition = task.definition
    assert (task.max_retries, task.default_retry_delay) == (3, 180)
    assert (definition.queue, definition.timeout, definition.save_result) == ("default", None, True)
    assert (definition.result_ttl, definition.retries, definition.retry_on) == (86_400, 3, ())
    assert task.name == f"{__name__}.work"


def test_options_become_those_of_a_task():
    task = shared_task(
        name="shop.work", queue="slow", time_limit=30, rate_limit="10/m", ignore_result=True, expires=60,
        priority=5, max_retries=None, acks_late=True, track_started=True, serializer="json",
    )(work)  # fmt: skip

    definition = task.definition
    assert (task.name, definition.queue, definition.timeout) == ("shop.work", "slow", 30.0)
    assert (definition.save_result, definition.expires, definition.priority) == (False, 60.0, 5)
    assert definition.rate_limit is not None
    assert (definition.rate_limit.limit, definition.rate_limit.window_ms) == (10, 60_000)
    assert task.max_retries is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_retrys": 3}, "did you mean 'max_retries'"),
        ({"frobnicate": 3}, "it takes bind, name, queue"),
        ({"base": object}, "has no task classes"),
        ({"on_failure": print}, r"@upnext.task\(on_failure"),
        ({"routing_key": "a.b"}, "name the queue with queue="),
        ({"serializer": "pickle"}, "nothing is ever unpickled"),
        ({"max_retries": -1}, "max_retries=-1"),
        ({"max_retries": True}, "max_retries=True"),
        ({"default_retry_delay": "3"}, "default_retry_delay='3'"),
        ({"retry_backoff_max": float("nan")}, "retry_backoff_max=nan"),
        ({"autoretry_for": ["ValueError"]}, "a tuple of exception classes"),
        ({"autoretry_for": 5}, "a tuple of exception classes"),
        ({"retry_kwargs": {"eta": 5}}, "it takes max_retries and countdown"),
        ({"retry_kwargs": {"countdown": -5}}, "countdown=-5"),
        ({"retry_kwargs": 5}, "it takes max_retries and countdown"),
        ({"time_limit": 0}, "time_limit=0: give seconds above 0"),
        ({"soft_time_limit": True}, "soft_time_limit=True"),
        ({"rate_limit": "often"}, "often"),
        ({"queue": "no spaces please"}, "queue"),
    ],
)
def test_an_option_without_an_equal_or_a_sense_is_refused(options: dict[str, Any], told: str):
    with pytest.raises(DefinitionError, match=told):
        shared_task(**options)(work)


def test_a_function_that_cannot_be_a_shared_task_is_refused():
    def takes_nothing() -> None: ...

    def takes_ctx(ctx: object) -> None: ...

    async def waits() -> None: ...

    with pytest.raises(DefinitionError, match="bind=True passes the task"):
        shared_task(bind=True)(takes_nothing)
    with pytest.raises(DefinitionError, match="rename it"):
        shared_task(takes_ctx)
    with pytest.raises(DefinitionError, match="has none"):
        shared_task(soft_time_limit=5)(waits)
    with pytest.raises(DefinitionError, match="use @shared_task"):
        shared_task("shop.work")  # type: ignore[call-overload]


def test_self_is_no_argument_of_a_call():
    def bound(self: Task, number: int) -> None: ...

    def bound_to_any(*args: Any) -> None: ...

    assert shared_task(bind=True)(bound).definition.signature.names == ("number",)
    assert shared_task(bind=True)(bound_to_any).definition.signature.names == ("args",)


def options_of(**given: Any) -> CeleryOptions:
    return read_options(given, source="shop.work")[0]


def test_the_delays_of_a_backoff():
    plain = options_of(retry_backoff=True, retry_jitter=False)
    factor = options_of(retry_backoff=5, retry_backoff_max=30, retry_jitter=False)

    assert [plain.delay_of_autoretry(n) for n in range(5)] == [1, 2, 4, 8, 16]
    assert [factor.delay_of_autoretry(n) for n in range(5)] == [5, 10, 20, 30, 30]
    assert plain.delay_of_autoretry(100_000) == 600
    assert options_of().delay_of_autoretry(1) is None


def test_the_jitter_of_a_backoff_goes_down_to_nothing():
    options = options_of(retry_backoff=2)

    drawn = {options.delay_of_autoretry(1) for _ in range(1000)}

    assert drawn == {0, 1, 2, 3, 4}
