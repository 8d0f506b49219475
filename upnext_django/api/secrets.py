"""Secrets: names to list, values to set. No call here gives a value."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja import Router, Schema
from pydantic import Field, SecretStr

from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.params import Body, InPath
from upnext_django.api.visible import all_rows, is_hidden
from upnext_django.exceptions import SecretNotFound
from upnext_django.models import Secret
from upnext_django.operations import secrets

__all__ = ["router"]

router = Router(tags=["secrets"])


class SecretOut(Schema):
    """What is told of a secret."""

    name: str
    variable: str = Field(description="The environment variable that workers find it in.")
    created_at: datetime
    updated_at: datetime
    updated_by: str


class SecretsOut(Schema):
    """All secrets by name."""

    items: list[SecretOut]


class SecretValue(Body):
    """A new value."""

    value: SecretStr = Field(min_length=1, max_length=secrets.MAX_BYTES, description="Shown by nothing.")


class SecretSet(Schema):
    """What a set did."""

    created: bool = Field(description="False if another value was replaced.")


@endpoint(router, "GET", "/secrets", needs="view_secret", answer=SecretsOut)
def list_secrets(request: HttpRequest) -> SecretsOut:
    """List the names of secrets, and when each was last set."""
    return SecretsOut(
        items=[SecretOut.model_validate(one) for one in secrets.listing(all_rows(request, Secret))]
    )


@endpoint(
    router,
    "PUT",
    "/secrets/{name}",
    needs=("add_secret", "change_secret"),
    answer=SecretSet,
    refuses=(400, 413, 503),
)
@sensitive_variables("body")
def put_secret(request: HttpRequest, name: InPath, body: SecretValue) -> SecretSet:
    """Set a secret. Workers that run keep what they have until they start again."""
    _refuse_hidden(request, name)
    with calling():
        created = secrets.put(name, body.value.get_secret_value(), by=caller(request).actor)
    return SecretSet(created=created)


@endpoint(
    router,
    "DELETE",
    "/secrets/{name}",
    needs="delete_secret",
    answer=None,
    status=204,
    refuses=(404,),
)
def delete_secret(request: HttpRequest, name: InPath) -> None:
    """Delete a secret; Workers that ask for it do not start any more."""
    _refuse_hidden(request, name)
    secrets.delete(name, by=caller(request).actor)


def _refuse_hidden(request: HttpRequest, name: str) -> None:
    """Raise SecretNotFound for one that is there and that the caller may not see."""
    if is_hidden(request, Secret, pk=name):
        raise SecretNotFound(f"There is no secret {name!r}.", names=[name])
