"""manage.py upnext_token."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from upnext_django.models import ApiToken
from upnext_django.operations import tokens

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("upnext_token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_token_is_printed_alone_and_never_again():
    user = User.objects.create(username="ann")

    scopes = ["--scope", "read", "--scope", "payload"]
    out, _ = run("create", "reports", "--user", "ann", *scopes, "--days", "30")
    listed, _ = run("list")

    found = tokens.verify(out.strip())
    assert found is not None
    assert found.user == user
    assert sorted(found.scopes) == ["payload", "read"]
    assert "reports  for ann  read,payload  expires" in listed
    assert out.strip().split("_", 2)[2] not in listed


def test_a_token_is_revoked_by_its_prefix():
    User.objects.create(username="ann")
    token = run("create", "reports", "--user", "ann", "--scope", "read")[0].strip()
    prefix = ApiToken.objects.get().prefix

    first, _ = run("revoke", prefix)
    second, _ = run("revoke", prefix)

    assert tokens.verify(token) is None
    assert (first.strip(), second.strip()) == (f"{prefix} revoked.", f"{prefix} was revoked already.")


@pytest.mark.parametrize(
    "words",
    [
        ("create", "reports", "--user", "nobody", "--scope", "read"),
        ("create", " ", "--user", "ann", "--scope", "read"),
        ("create", "reports", "--user", "ann", "--scope", "read", "--days", "0"),
        ("revoke", "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]):
    User.objects.create(username="ann")

    with pytest.raises(CommandError):
        run(*words)

    assert not ApiToken.objects.exists()
