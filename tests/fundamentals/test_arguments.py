"""What a function is called with is what its signature names; so is what a waiter gets."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import upnext_django as upnext
from example_project.shop.models import Order
from tests.fundamentals import arguments
from tests.fundamentals.arguments import Address, Card, Line, Size
from upnext_django import ArgumentError, TaskExecutionError

TASKS = "tests.fundamentals.arguments"

pytestmark = pytest.mark.usefixtures("worker")

ONE = UUID("12345678-1234-4234-8234-123456789abc")
LINE = Line(ONE, Decimal("9.90"), Size.LARGE)


@pytest.mark.parametrize(
    ("task", "value"),
    [
        (arguments.moment, datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)),
        (arguments.moment, datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        (arguments.moment, datetime(2026, 3, 29, 1, 30)),  # noqa: DTZ001 - naive stays naive
        (arguments.day, date(2026, 2, 28)),
        (arguments.clock, time(23, 59, 59, 999999)),
        (arguments.span, timedelta(days=-1, microseconds=7)),
        (arguments.span, timedelta(days=9999, seconds=1)),
        (arguments.ident, ONE),
        (arguments.money, Decimal("0.10")),
        (arguments.money, Decimal("123456789012345678901234567890.123456789")),
        (arguments.size, Size.LARGE),
        (arguments.raw, b"\x00\xff\n"),
        (arguments.pair, (1, date(2026, 1, 1))),
        (arguments.many, {ONE}),
        (arguments.line, LINE),
        (arguments.address, Address("Main St", date(2020, 1, 1))),
        (arguments.card, Card(number="4242", expires=date(2030, 1, 31))),
        (arguments.nested, {"a": [LINE], "b": []}),
        (arguments.optional, None),
        (arguments.optional, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=lambda value: value.name.rpartition(".")[2] if isinstance(value, upnext.TaskHandle) else None,
)
async def test_a_value_comes_back_as_its_type(task: upnext.TaskHandle[..., Any], value: Any):
    positional = await task.wait(value)
    by_name = await task.wait(value=value)

    assert positional.value == by_name.value == value
    assert type(positional.value) is type(value)


async def test_a_sync_task_gets_the_same():
    assert (await arguments.in_a_thread.wait(LINE)).value == Decimal("9.90")


async def test_star_arguments():
    result = await arguments.anything.wait({"deep": [1, None, "ü"]}, 1, 2, day=date(2026, 1, 1))

    assert result.value == [{"deep": [1, None, "ü"]}, [1, 2], {"day": "2026-01-01"}]


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"value": 1}), ((), {"other": 1})], ids=str
)
def test_a_wrong_call_raises_at_submit(args: tuple[Any, ...], kwargs: dict[str, Any]):
    with pytest.raises(TypeError):
        arguments.money.submit(*args, **kwargs)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), lambda: 1, {1: {object()}}],
    ids=["nan", "inf", "object", "function", "set of objects"],
)
def test_what_cannot_be_sent_is_refused_at_submit(value: Any):
    with pytest.raises(ArgumentError, match="value") as caught:
        arguments.anything.submit(value)

    assert caught.value.argument == "value"


def test_a_circle_is_refused():
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(ArgumentError, match="value"):
        arguments.anything.submit(circle)


def test_a_model_instance_is_refused_with_the_way_out():
    with pytest.raises(ArgumentError, match=r"order\.pk"):
        arguments.takes_order.submit(Order(pk=1))


def test_too_large_arguments_are_refused():
    with pytest.raises(ArgumentError, match=r"1,?048,?576"):
        arguments.anything.submit("x" * 1024 * 1024)


@pytest.mark.parametrize("what", ["nan", "function", "object"])
async def test_a_return_value_that_cannot_be_sent_fails_the_job(what: str):
    with pytest.raises(TaskExecutionError, match="return value") as caught:
        await arguments.returns.wait(what)

    assert caught.value.status == "failed"
