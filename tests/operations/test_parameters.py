"""What somebody types for a parameter, and the call that is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import upnext_django as upnext
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError
from upnext_django.operations.parameters import Parameter, call_of, parameters_of, read, values_of, written
from upnext_django.operations.shown_definition import shown


def one(annotation: str, **told: Any) -> Parameter:
    facts = {
        "parameters": [{"name": "x", "kind": "either", "required": True, "annotation": annotation, **told}]
    }
    [parameter] = parameters_of(facts)
    return parameter


def parameters(func: Any) -> list[Parameter]:
    with registry.isolated():
        return parameters_of(upnext.task(func).definition.as_json())


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("str", "plain", "plain"),
        ("str", "7", "7"),
        ("str", "null", "null"),
        ("str", '""', ""),
        ("str", '{"a": 1}', '{"a": 1}'),
        ("str | None", "null", None),
        ("Optional[str]", "null", None),
        ("typing.Optional[int]", "null", None),
        ("int", " 7 ", 7),
        ("float", "7", 7),
        ("float", "2.5", 2.5),
        ("bool", "true", True),
        ("list[int]", "[1, 2]", [1, 2]),
        ("tuple[int, ...]", "[1]", [1]),
        ("dict[str, int]", '{"a": 1}', {"a": 1}),
        ("dict", "{}", {}),
        ("uuid.UUID", "019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000001"),
        ("datetime.date", "2026-01-31", "2026-01-31"),
        ("int | str", "7", 7),
        ("int | str", "seven", "seven"),
        ("int | str", '"7"', "7"),
        ("", "[1]", [1]),
        ("", "null", None),
        ("", "text", "text"),
    ],
)
def test_a_value_is_read_by_its_annotation(annotation: str, text: str, value: Any):
    got = read(one(annotation), text)

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "rule"),
    [
        ("int", "seven", "a whole number"),
        ("int", "7.5", "a whole number"),
        ("int", "true", "a whole number"),
        ("int", "null", "a whole number"),
        ("int", "", "a whole number"),
        ("float", '"7"', "a number"),
        ("bool", "yes", "true or false"),
        ("bool", "1", "true or false"),
        ("list[int]", "1, 2", "a JSON list"),
        ("list[int]", "{}", "a JSON list"),
        ("dict", "[]", "a JSON object"),
        ("", '{"a": ', "JSON"),
        ("", "[" * 100_000, "nested too deeply|JSON"),
        ("str", "[hidden]", "give the value itself"),
        ("dict", '{"a": ["[redacted]"]}', "give the value itself"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_rule(annotation: str, text: str, rule: str):
    with pytest.raises(ArgumentError, match=rule) as refused:
        read(one(annotation), text)

    assert refused.value.argument == "x"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=_JSON, annotation=st.sampled_from(["", "uuid.UUID | None"]))
def test_what_is_written_of_any_value_is_read_as_that_value(value: Any, annotation: str):
    parameter = one(annotation)

    assert read(parameter, written(parameter, value)) == value


@given(value=st.text())
def test_what_is_written_of_a_text_is_read_as_that_text(value: str):
    parameter = one("str")
    # The one text that stands for another.
    expected = "" if value == '""' else value

    assert read(parameter, written(parameter, value)) == expected


def test_a_call_of_names_goes_by_keyword():
    def func(a: int, b: int = 2, *, c: int = 3) -> None: ...

    assert call_of(parameters(func), {"a": 1, "c": 5}) == ([], {"a": 1, "c": 5})


def test_arguments_without_a_name_go_by_place():
    def func(a: int, b: int = 2, /, c: int = 3, **more: int) -> None: ...

    known = parameters(func)
    assert call_of(known, {"a": 1, "c": 5, "more": {"d": 6}}) == ([1], {"c": 5, "d": 6})
    assert call_of(known, {"a": 1, "b": 7}) == ([1, 7], {})


def test_more_of_them_follow_those_with_names():
    def func(a: int, b: int = 2, *rest: int) -> None: ...

    known = parameters(func)
    assert call_of(known, {"a": 1, "b": 2, "rest": [3, 4]}) == ([1, 2, 3, 4], {})
    assert call_of(known, {"a": 1}) == ([], {"a": 1})
    with pytest.raises(ArgumentError, match='"b" stands before an argument that is given'):
        call_of(known, {"a": 1, "rest": [3]})


def test_one_left_out_before_one_given_by_place_is_refused():
    def func(a: int = 1, b: int = 2, /) -> None: ...

    with pytest.raises(ArgumentError, match='"a" stands before'):
        call_of(parameters(func), {"b": 2})


def test_keywords_may_not_hide_a_named_argument():
    def func(a: int = 1, **more: int) -> None: ...

    with pytest.raises(ArgumentError, match="has a, which has a field of its own"):
        call_of(parameters(func), {"more": {"a": 2}})


def test_the_arguments_of_a_call_are_found_by_name():
    def func(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> None: ...

    known = parameters(func)
    assert values_of(known, [1, 2, 3], {"c": 4, "d": 5}) == {
        "a": 1,
        "b": 2,
        "rest": [3],
        "c": 4,
        "more": {"d": 5},
    }
    assert call_of(known, values_of(known, [1, 2, 3], {"c": 4, "d": 5})) == ([1, 2, 3], {"c": 4, "d": 5})


def test_what_a_function_has_no_more_is_left_out():
    def func(a: int) -> None: ...

    assert values_of(parameters(func), [1, 2], {"gone": 3}) == {"a": 1}


def test_a_sensitive_parameter_tells_no_default():
    def func(a: int, card: str = "4111") -> None: ...

    with registry.isolated():
        facts = upnext.task(sensitive=["card"])(func).definition.as_json()

    [_, card] = parameters_of(facts)
    assert (card.sensitive, card.default, card.required) == (True, None, False)


def test_defaults_that_the_history_would_redact_are_told_to_programs_and_not_shown():
    def call(
        url: str = "https://a",
        card_type: str = "visa",
        token: str | None = None,
        login: dict[str, str] = {"user": "ann", "password": "p"},  # noqa: B006
    ) -> None: ...

    with registry.isolated():
        entry = upnext.task(call).definition.as_json()

    # The key of a limit may name any of them.
    assert {one["name"]: one["default"] for one in entry["parameters"]} == {
        "url": "https://a",
        "card_type": "visa",
        "token": None,
        "login": {"user": "ann", "password": "p"},
    }
    assert {one["name"]: one.get("default", "hidden") for one in shown(entry)["parameters"]} == {
        "url": "https://a",
        "card_type": "hidden",
        "token": None,
        "login": "hidden",
    }
    assert {one.name: one.default for one in parameters_of(entry)} == {
        "url": '"https://a"',
        "card_type": None,
        "token": "null",
        "login": None,
    }
