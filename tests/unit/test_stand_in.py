"""A stand-in makes the same jobs as the function that it stands for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.stand_in import stand_in

_ASKED = (
    *("function", "function_name", "kind", "queue", "source", "aliases", "retries", "max_attempts"),
    *("timeout", "priority", "expires", "sensitive", "rate_limit", "max_concurrency", "limit_key"),
    *("cache_key", "cache_ttl"),
)


def definition_of(func: Any, **options: Any) -> TaskDefinition:
    return TaskDefinition.build(func, kind="event", queue="mail", **options)


def told(definition: TaskDefinition) -> TaskDefinition:
    return stand_in(msgspec.json.encode(definition.as_json()))


def handler(ctx: Any, order_id: int, *, note: str = "none", card: str = "") -> set[int]:
    return {order_id}


def test_it_has_what_a_submit_needs():
    real = definition_of(
        handler,
        name="Handler",
        retries=3,
        timeout=5.0,
        priority=-1,
        expires=60.0,
        sensitive=("card",),
        aliases=("old.handler",),
        rate_limit="10/5m",
        rate_limit_key="{order_id}",
        cache_key="{order_id}:{note}",
        cache_ttl=5.0,
    )

    other = told(real)

    for name in _ASKED:
        assert getattr(other, name) == getattr(real, name), name
    assert other.render("{order_id} {note}", other.signature.named((), {"order_id": 1})) == "1 none"
    assert other.cache_digest((), {"order_id": 1}) == real.cache_digest((1,), {"note": "none"})


def test_it_takes_the_same_calls():
    other = told(definition_of(handler))

    other.signature.bind((1,), {"note": "x"})
    with pytest.raises(TypeError, match=r"handler\(\) missing a required argument: 'order_id'"):
        other.signature.bind((), {})
    assert other.signature.taken({"order_id": 1, "more": 2}) == {"order_id": 1}


def test_its_values_are_plain_json():
    assert told(definition_of(handler)).signature.decode_result(b"[1]") == [1]


def test_a_parameter_that_is_called_like_a_context_stays_one():
    def odd(first: int, ctx: int) -> None: ...

    other = told(definition_of(odd))

    assert other.signature.names == ("first", "ctx")


class Opaque:
    pass


def test_a_default_that_json_does_not_know_is_optional_all_the_same():
    def opaque(order_id: int, handle: Any = Opaque) -> None: ...

    told(definition_of(opaque)).signature.bind((1,), {})


def test_a_key_with_a_default_that_only_the_function_has_is_not_cached():
    """Filled with another default it would lead to the value of another call."""

    def opaque(order_id: int, handle: Any = Opaque, *more: int) -> None: ...

    assert told(definition_of(opaque, cache_key="{handle}", cache_ttl=5)).cache_key is None
    assert told(definition_of(opaque, cache_key="{order_id}{more}")).cache_key == "{order_id}{more}"
