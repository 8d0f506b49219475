"""People and tokens that call the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client

from tests.api.asking import Program
from tests.things import things
from upnext_django.models.token import SCOPES
from upnext_django.operations import tokens

__all__ = ["Person", "person", "program", "reader", "things", "token_of"]

Person = Callable[..., User]


@pytest.fixture(autouse=True)
def _no_requests_counted() -> None:
    """Forget how often earlier tests have called: their users and tokens had the same keys."""
    cache.clear()


@pytest.fixture
def person() -> Person:
    """Give what makes a user with permissions of ours, by codename; ``"*"`` is a superuser."""

    def make(*permissions: str, name: str = "ann", **columns: Any) -> User:
        # Without a password: to hash one takes longer than the test.
        user = User.objects.create(username=name, **columns)
        if permissions == ("*",):
            user.is_superuser = True
            user.save()
        else:
            user.user_permissions.set(_permissions(permissions))
        return user

    return make


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Give what makes a token of a user and returns its text."""

    def make(user: User, *scopes: str, **fields: Any) -> str:
        return tokens.create("robot", owner=user, scopes=scopes, **fields)[1]

    return make


@pytest.fixture
def program(person: Person, token_of: Callable[..., str]) -> Program:
    """Give a program that may do everything."""
    return Program(token_of(person("*"), *SCOPES))


@pytest.fixture
def reader(person: Person, token_of: Callable[..., str]) -> Program:
    """Give a program that may read, and not see payloads."""
    return Program(token_of(person("*", name="eve"), "read"))


@pytest.fixture
def browser(person: Person) -> Callable[..., Client]:
    """Give what logs in a user with permissions, in a client that checks CSRF as a browser's site does."""

    def make(*permissions: str, **columns: Any) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(person(*permissions, **columns))
        return client

    return make


def _permissions(codenames: Iterable[str]) -> list[Permission]:
    found = list(Permission.objects.filter(content_type__app_label="upnext", codename__in=codenames))
    assert {one.codename for one in found} == set(codenames)
    return found
