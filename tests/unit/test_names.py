from functools import partial

import pytest

from upnext_django.core.capability import capability_of
from upnext_django.core.names import check_function_name, check_name, identity_of
from upnext_django.exceptions import DefinitionError


@pytest.mark.parametrize("name", ["a", "emails", "Reports-eu_1.2", "x" * 64])
def test_letters_digits_dots_underscores_and_hyphens_name_a_queue(name):
    assert check_name("queue", name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a:b", "{a}", "é", "a\n", None, 3])
def test_other_names_are_refused_with_the_rule(name):
    with pytest.raises(DefinitionError, match="cannot name a queue: use 1 to 64"):
        check_name("queue", name)


def test_an_identity_is_module_and_qualname():
    def inner(): ...

    assert identity_of(test_an_identity_is_module_and_qualname).endswith(
        ".test_an_identity_is_module_and_qualname"
    )
    assert "<locals>.inner" in identity_of(inner)
    assert check_function_name(identity_of(inner))


def test_main_stays_in_an_identity():
    def task(): ...

    task.__module__, task.__qualname__ = "__main__", "task"

    assert identity_of(task) == "__main__.task"


def test_a_callable_without_a_name_has_no_identity():
    with pytest.raises(DefinitionError, match="write a function with def"):
        identity_of(partial(print))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a{b", "a}b", "a\x00b", "a\x7f", "a\ud800", "x" * 256])
def test_an_identity_that_would_break_a_key_is_refused(name):
    with pytest.raises(DefinitionError, match="cannot identify a function"):
        check_function_name(name)


def test_a_capability_is_of_the_set_not_of_the_order():
    assert capability_of(["b", "a", "b"]) == capability_of(["a", "b"])
    assert capability_of(["a"]) != capability_of(["a", "b"])
    assert len(capability_of([])) == 16
