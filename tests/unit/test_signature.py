from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ForwardRef

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core.signature import Parameter, Signature
from upnext_django.exceptions import ArgumentError

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]

    import upnext_django as upnext

U = uuid.UUID(int=7)


class Context:
    pass


def send(
    order_id: uuid.UUID, items: list[int], /, note: str = "", *more: uuid.UUID, who: Later, **extra: uuid.UUID
):
    return order_id


@dataclass
class Later:
    name: str


def shapes() -> list[Callable[..., object]]:
    def nothing(): ...
    def one(a): ...
    def defaults(a, b=1, c=2): ...
    def positional_only(a, b=1, /, c=2): ...
    def keyword_only(a, *, b, c=1): ...
    def variadic(a, *args, b=1, **kwargs): ...
    def kwargs_only(**kwargs): ...
    def same_name(a, /, **kwargs): ...

    return [nothing, one, defaults, positional_only, keyword_only, variadic, kwargs_only, same_name]


@settings(deadline=None)  # a shared machine may be slow
@given(
    st.sampled_from(shapes()),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.integers()),
)
def test_exactly_the_calls_that_python_takes_are_taken(function, args, kwargs):
    try:
        function(*args, **kwargs)
        taken = True
    except TypeError:
        taken = False

    signature = Signature.of(function)

    if taken:
        signature.bind(args, kwargs)
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        assert signature.named(args, kwargs) == bound.arguments
    else:
        with pytest.raises(TypeError, match=function.__name__):
            signature.bind(args, kwargs)


def test_a_wrong_call_names_the_function_and_the_argument():
    def receipt(order_id, n=1): ...

    signature = Signature.of(receipt, identity="shop.tasks.receipt")

    with pytest.raises(TypeError) as caught:
        signature.bind((), {"n": 2})
    assert str(caught.value) == "shop.tasks.receipt() missing a required argument: 'order_id'"


@pytest.mark.parametrize("function_name", ["named", "annotated", "by_text", "forward", "reference"])
def test_the_context_is_known_by_its_name_or_annotation(function_name):
    def named(ctx, n): ...
    def annotated(c: Context, n): ...
    def by_text(c: upnext.Context, n): ...
    def forward(c: nowhere.Context, n): ...  # type: ignore[name-defined]  # noqa: F821

    def reference(c, n): ...

    # What Python 3.14 gives for an annotation that it cannot evaluate yet.
    reference.__annotations__["c"] = ForwardRef("upnext.Context")

    signature = Signature.of(locals()[function_name], context_types=(Context,))

    assert signature.takes_context
    assert signature.names == ("n",)
    signature.bind((1,), {})
    with pytest.raises(TypeError):
        signature.bind((object(), 1), {})


@pytest.mark.parametrize("function_name", ["second", "keyword", "other", "request_context"])
def test_other_parameters_are_no_context(function_name):
    def second(n, ctx): ...
    def keyword(*, ctx): ...
    def other(c: Later): ...
    def request_context(c: shop.RequestContext): ...  # type: ignore[name-defined]  # noqa: F821

    assert not Signature.of(locals()[function_name], context_types=(Context,)).takes_context


def test_arguments_come_back_as_their_annotations_say():
    signature = Signature.of(send)
    args, kwargs = (U, [1, 2], "n", U), {"who": Later("ann"), "x": U}
    signature.bind(args, kwargs)

    raw = signature.encode(args, kwargs)

    assert msgspec.json.decode(raw) == [
        [str(U), [1, 2], "n", str(U)],
        {"who": {"name": "ann"}, "x": str(U)},
    ]
    assert signature.decode(raw) == ([U, [1, 2], "n", U], {"who": Later("ann"), "x": U})
    assert signature.decode(msgspec.Raw(raw)) == signature.decode(raw)


def test_an_annotation_that_cannot_be_resolved_leaves_the_others_alone():
    def task(a: Unknown, b: uuid.UUID, c: "int[") -> Unknown: ...  # type: ignore[valid-type]  # noqa: F722

    signature = Signature.of(task)

    assert signature.decode(b'[[1,"%s",2],{}]' % str(U).encode()) == ([1, U, 2], {})
    assert signature.decode_result(b"3") == 3


def test_none_fits_where_none_is_the_default():
    def task(a: uuid.UUID = None): ...  # type: ignore[assignment]  # noqa: RUF013

    assert Signature.of(task).decode(b"[[null],{}]") == ([None], {})


def test_a_value_that_does_not_fit_names_its_argument():
    signature = Signature.of(send, identity="shop.tasks.send")

    for raw, name in (
        (b'[["zz",[]],{}]', "order_id"),
        (b'[["%s",[],"","zz"],{}]' % str(U).encode(), "more"),
        (b'[[],{"who":3}]', "who"),
        (b'[[],{"x":"zz"}]', "x"),
    ):
        with pytest.raises(
            ArgumentError, match=f'argument "{name}" of shop.tasks.send does not fit'
        ) as caught:
            signature.decode(raw)
        assert caught.value.argument == name


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1,2]", b"[[],{}", b"[[],[]]", b"[" * 9999])
def test_what_is_no_call_is_an_argument_error(raw):
    with pytest.raises(ArgumentError, match="are not a call"):
        Signature.of(send).decode(raw)


def test_a_call_from_an_older_release_is_left_to_the_call_itself():
    """During a deploy jobs arrive with arguments that the function no longer has."""

    def task(a: uuid.UUID): ...

    raw = b'[["%s",2],{"gone":3}]' % str(U).encode()

    assert Signature.of(task).decode(raw) == ([U, 2], {"gone": 3})


def test_the_argument_that_cannot_be_sent_is_named():
    signature = Signature.of(send, identity="shop.tasks.send")

    for args, kwargs, name in (
        ((U, [float("nan")]), {}, "items"),
        ((U, [], "", U, object()), {}, "more[1]"),
        ((U, []), {"who": object()}, "who"),
    ):
        with pytest.raises(ArgumentError, match=r"of shop\.tasks\.send") as caught:
            signature.encode(args, kwargs)
        assert caught.value.argument == name


def test_none_inside_an_object_is_no_reason_to_refuse_it():
    @dataclass
    class Maybe:
        value: int | None

    def task(a, *, b): ...

    raw = Signature.of(task).encode((Maybe(None),), {"b": [Maybe(1), Maybe(None)]})

    assert raw == b'[[{"value":null}],{"b":[{"value":1},{"value":null}]}]'


def test_a_keyword_that_is_no_text_is_refused_in_a_text_that_can_be_printed():
    def task(**extra): ...

    with pytest.raises(ArgumentError, match="lone surrogate") as caught:
        Signature.of(task).encode((), {"\ud800": 1})

    assert str(caught.value).encode()


def test_too_large_a_call_names_its_largest_argument():
    def task(a, b): ...

    signature = Signature.of(task, identity="shop.tasks.task")

    assert signature.encode(("x", "y" * 10), {}, max_bytes=23)
    with pytest.raises(ArgumentError, match=r"are 23 bytes of JSON, 12 of them argument \"b\"; at most 22"):
        signature.encode(("x", "y" * 10), {}, max_bytes=22)


def test_masked_arguments_are_hidden_however_they_are_passed():
    def task(user, password="", *rest, token=None, **extra): ...

    signature = Signature.of(task)

    assert signature.mask(("ann", "pw"), {"token": "t"}, ("password", "token")) == (
        b'[["ann","[hidden]"],{"token":"[hidden]"}]'
    )
    assert signature.mask(("ann",), {"password": "pw", "x": 1}, ("password",)) == (
        b'[["ann"],{"password":"[hidden]","x":1}]'
    )
    assert signature.mask(("ann", "", 1, 2), {"x": 1, "token": 2}, ("rest", "extra")) == (
        b'[["ann","","[hidden]","[hidden]"],{"x":"[hidden]","token":2}]'
    )
    assert signature.mask(("ann",), {"x": 1}, ("x",)) == b'[["ann"],{"x":"[hidden]"}]'


def test_results_are_read_by_the_return_annotation():
    def typed() -> list[uuid.UUID]: ...  # type: ignore[empty-body]
    async def later() -> Later: ...  # type: ignore[empty-body]

    assert Signature.of(typed).decode_result(b'["%s"]' % str(U).encode()) == [U]
    assert Signature.of(later).decode_result(b'{"name":"ann"}') == Later("ann")


def test_a_result_that_is_not_what_the_annotation_says_stays_plain():
    def typed() -> uuid.UUID: ...  # type: ignore[empty-body]

    assert Signature.of(typed).decode_result(b"null") is None


def test_parameters_tell_what_a_form_needs():
    first, _, note, more, who, extra = Signature.of(send).parameters

    assert first == Parameter("order_id", "positional", uuid.UUID, inspect.Parameter.empty)
    assert first.required
    assert note == Parameter("note", "either", str, "")
    assert not note.required
    assert (more.kind, more.required) == ("args", False)
    assert (who.kind, who.annotation, who.required) == ("keyword", Later, True)
    assert (extra.kind, extra.required) == ("kwargs", False)


def test_parameters_are_asked_for_by_name():
    signature = Signature.of(send)

    assert signature.has_parameter("order_id")
    assert signature.has_parameter("extra")
    assert not signature.has_parameter("wait_timeout")


def test_the_same_call_is_canonical_whatever_the_order_of_a_set():
    def task(words): ...

    words = [f"w{i:02d}" for i in range(40)]

    raw = Signature.of(task).canonical((set(words),), {})

    assert msgspec.json.decode(raw) == [[words], {}]
