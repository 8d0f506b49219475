import gc
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core.failure import MAX_ERROR_CHARS, MAX_TRACEBACK_BYTES, describe, release
from upnext_django.core.rates import parse_rate
from upnext_django.core.retries import RetryPolicy, delay_before


def caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    raise AssertionError("nothing was raised")


def below_the_test(error: BaseException) -> TracebackType:
    """Leave out the frames of caught() and of the lambda it calls."""
    of_caught = error.__traceback__
    of_lambda = of_caught and of_caught.tb_next
    begins = of_lambda and of_lambda.tb_next
    assert begins is not None
    return begins


def test_an_error_is_its_class_its_text_and_where_it_was_raised():
    def task():
        secret = "s3cret"
        raise ValueError("no such order" if secret else "")

    error_type, text, trace = describe(caught(task))

    assert (error_type, text) == ("ValueError", "ValueError: no such order")
    assert "in task" in trace
    assert trace.endswith("ValueError: no such order\n")
    assert "s3cret'" not in trace


def test_an_error_without_a_text_is_its_class():
    assert describe(KeyError())[:2] == ("KeyError", "KeyError")


def test_the_cause_is_told_too():
    def task():
        try:
            dict[str, int]()["price"]
        except KeyError as error:
            raise RuntimeError("no price") from error

    trace = describe(caught(task))[2]

    assert "KeyError: 'price'" in trace
    assert "direct cause" in trace


def test_frames_of_the_package_above_the_users_are_left_out():
    def users_function():
        raise LookupError("here")

    error = caught(lambda: delay_before(RetryPolicy(), 1, users_function))
    begins_in_package = below_the_test(error)
    assert begins_in_package.tb_frame.f_code is delay_before.__code__

    trace = describe(error.with_traceback(begins_in_package))[2]

    assert "in users_function" in trace
    assert "in delay_before" not in trace


def test_an_error_of_the_package_itself_keeps_its_frames():
    error = caught(lambda: parse_rate("never"))
    begins_in_package = below_the_test(error)

    trace = describe(error.with_traceback(begins_in_package))[2]

    assert "in parse_rate" in trace


def test_an_error_whose_text_cannot_be_read_is_described_all_the_same():
    class Hostile(Exception):
        def __str__(self):
            raise RuntimeError("no text for you")

    error_type, text, trace = describe(caught(lambda: (_ for _ in ()).throw(Hostile())))

    assert error_type == "Hostile"
    assert "cannot be read" in text
    assert "Hostile" in trace


@settings(deadline=None)  # a shared machine may be slow
@given(st.text(st.characters()) | st.text("\x00\ud800\udfffa"))
def test_every_text_can_be_stored(message):
    for part in describe(ValueError(message)):
        assert "\x00" not in part
        part.encode()


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_long_texts_keep_their_head_and_tail(letter):
    def deep(n: int) -> NoReturn:
        if n:
            deep2(n)
        raise ValueError(letter * 30_000)

    def deep2(n: int) -> NoReturn:
        deep(n - 1)

    _, text, trace = describe(caught(lambda: deep(50)))

    assert len(text) == MAX_ERROR_CHARS
    assert len(trace.encode()) <= MAX_TRACEBACK_BYTES
    assert trace.startswith("Traceback")
    assert "bytes left out" in trace
    assert trace.endswith(f"{letter}\n")


def test_endless_recursion_is_told_in_short():
    def task() -> None:
        task()

    error_type, _, trace = describe(caught(task))

    assert error_type == "RecursionError"
    assert len(trace.encode()) <= MAX_TRACEBACK_BYTES


def test_a_released_error_keeps_no_local_value_alive():
    """A frame that holds its own exception is a circle; only the garbage collector would end it."""

    class Big:
        pass

    watched = []

    def task():
        big = Big()
        watched.append(weakref.ref(big))
        try:
            raise KeyError("inner")
        except KeyError as inner:
            kept = ValueError("outer")
            raise kept from inner

    gc.disable()
    try:
        error = caught(task)
        describe(error)

        release(error)

        assert watched[0]() is None
    finally:
        gc.enable()
