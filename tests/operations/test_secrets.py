"""Secrets as rows: encrypted, listed without a value, encrypted again with another key."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

import upnext_django as upnext
from tests.keys import KEY, OTHER_KEY
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError, DefinitionError, EncryptionError, SecretNotFound
from upnext_django.models import Secret
from upnext_django.operations import secrets

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_declared() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture(autouse=True)
def keys() -> Iterator[Callable[..., None]]:
    """Have one key, and give what changes the keys."""
    changes = []

    def change(*keys: str) -> None:
        changes.append(override_settings(UPNEXT={"SECRETS_KEYS": list(keys)}))
        changes[-1].enable()

    change(KEY)
    yield change
    while changes:
        changes.pop().disable()


@pytest.fixture
def manage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Give what runs ``upnext_secrets`` and returns all that it printed."""

    def run(*arguments: str, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        call_command("upnext_secrets", *arguments)
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


def test_a_secret_is_stored_encrypted_and_only_values_gives_it():
    assert secrets.put("stripe_key", "tulip", by="ada")

    row = Secret.objects.get(pk="stripe_key")
    assert "tulip" not in f"{row.ciphertext}{row!r}{row}"
    (told,) = secrets.listing()
    assert (told.name, told.variable, told.updated_by) == ("stripe_key", "STRIPE_KEY", "ada")
    assert "tulip" not in repr(told)
    assert secrets.values(["stripe_key", "other"]) == {"stripe_key": "tulip"}


def test_a_change_keeps_when_it_was_created():
    secrets.put("stripe_key", "tulip", by="ada")
    before = Secret.objects.get()

    assert not secrets.put("stripe_key", "rose", by="bob")

    after = Secret.objects.get()
    assert (after.created_at, after.updated_by) == (before.created_at, "bob")
    assert after.updated_at > before.updated_at
    assert secrets.values(["stripe_key"]) == {"stripe_key": "rose"}


def test_upper_and_lower_case_are_one_name():
    secrets.put("Stripe_Key", "tulip")

    assert [one.name for one in secrets.listing()] == ["stripe_key"]
    assert upnext.Worker("vault-case", secrets=["STRIPE_KEY", "stripe_key"]).options.secrets == (
        "stripe_key",
    )


@pytest.mark.parametrize("name", ["", "stripe-key", "1key", "stripe.key", "k" * 65, "schlüssel", "a b"])
def test_a_name_that_no_variable_can_have_is_refused(name: str):
    for action in (lambda: secrets.put(name, "x"), lambda: upnext.Worker("vault-name", secrets=[name])):
        with pytest.raises(DefinitionError, match="secret"):
            action()


@pytest.mark.parametrize("value", ["", "tulip\0", "tulip\ud800", "tulip" * 20_000])
def test_a_value_that_no_variable_can_have_is_refused_without_showing_it(value: str):
    with pytest.raises(ArgumentError, match="value of the secret 'stripe_key'") as caught:
        secrets.put("stripe_key", value)

    assert "tulip" not in str(caught.value)
    assert not Secret.objects.exists()


def test_without_a_key_nothing_is_stored(keys):
    keys()

    with pytest.raises(EncryptionError, match=r"not stored.*SECRETS_KEYS"):
        secrets.put("stripe_key", "tulip")

    assert not Secret.objects.exists()
    assert secrets.listing() == []


def test_what_no_key_opens_is_named(keys):
    secrets.put("stripe_key", "tulip")
    keys(OTHER_KEY)

    with pytest.raises(EncryptionError, match=r"'stripe_key' cannot be decrypted.* set stripe_key"):
        secrets.values(["stripe_key"])


def test_rotation_encrypts_all_with_the_first_key_once(keys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(secrets, "_CHUNK", 3)
    for number in range(8):
        secrets.put(f"key_{number}", f"tulip {number}")
    times = list(Secret.objects.values_list("updated_at", flat=True))
    keys(OTHER_KEY, KEY)
    secrets.put("key_9", "rose")

    first, second = secrets.rotate(by="ada"), secrets.rotate(by="ada")

    assert (first.rotated, first.unchanged) == (8, 1)
    assert (second.rotated, second.unchanged) == (0, 9)
    assert list(Secret.objects.exclude(pk="key_9").values_list("updated_at", flat=True)) == times
    keys(OTHER_KEY)
    assert secrets.values(["key_7", "key_9"]) == {"key_7": "tulip 7", "key_9": "rose"}


def test_rotation_leaves_what_no_key_opens_and_names_it(keys):
    secrets.put("lost", "tulip")
    keys(OTHER_KEY)
    secrets.put("found", "rose")
    before = Secret.objects.get(pk="lost").ciphertext

    done = secrets.rotate()

    assert (done.rotated, done.unchanged, done.unreadable) == (0, 1, ["lost"])
    assert Secret.objects.get(pk="lost").ciphertext == before


def test_a_secret_that_is_gone_is_not_found():
    secrets.put("stripe_key", "tulip")
    secrets.delete("STRIPE_KEY")

    with pytest.raises(SecretNotFound, match="no secret 'stripe_key'") as caught:
        secrets.delete("stripe_key")

    assert caught.value.names == ("stripe_key",)


def test_what_is_done_is_logged_without_the_value(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "upnext.operations"):
        secrets.put("stripe_key", "tulip", by="ada")
        secrets.rotate(by="ada")
        secrets.delete("stripe_key", by="ada")

    assert caplog.text.count("by ada") == 3
    assert "tulip" not in caplog.text


@pytest.mark.parametrize(("typed", "kept"), [("rose\n", "rose"), ("rose", "rose"), ("a\nb\n\n", "a\nb\n")])
def test_the_command_reads_stdin_without_its_last_line_break(manage, typed: str, kept: str):
    printed = manage("set", "stripe_key", stdin=typed)

    assert printed == "stripe_key set.\n"
    assert secrets.values(["stripe_key"]) == {"stripe_key": kept}


def test_the_command_takes_no_value_as_an_argument(manage):
    with pytest.raises(CommandError, match="unrecognized arguments"):
        manage("set", "stripe_key", "tulip")


def test_the_command_lists_what_is_missing(manage):
    upnext.Worker("shop", secrets=["stripe_key", "mail_password"])
    manage("set", "stripe_key", stdin="tulip")

    printed = manage("list")

    assert "stripe_key  STRIPE_KEY  changed" in printed
    assert "by manage.py  for Worker shop" in printed
    assert "mail_password  MISSING: Worker shop does not start without it" in printed
    assert "tulip" not in printed


def test_the_command_warns_of_who_wants_what_it_deletes(manage):
    upnext.Worker("shop", secrets=["stripe_key"])
    manage("set", "stripe_key", stdin="tulip")

    printed = manage("delete", "stripe_key")

    assert "stripe_key deleted." in printed
    assert "Worker shop asks for it" in printed
    assert not Secret.objects.exists()


def test_the_command_says_that_there_are_none(manage):
    assert manage("list") == "No secrets.\n"


def test_the_command_rotates_and_fails_for_what_no_key_opens(manage, keys):
    manage("set", "stripe_key", stdin="tulip")
    assert manage("rotate") == "0 encrypted with the first key, 1 were already.\n"
    keys(OTHER_KEY)

    with pytest.raises(CommandError, match="opens: stripe_key"):
        manage("rotate")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["delete", "nothing"], "no secret 'nothing'"),
        (["set", "a-b"], "cannot name"),
        (["set", "key"], "empty"),
    ],
)
def test_a_wrong_use_is_an_error_of_one_sentence(manage, arguments: list[Any], said: str):
    with pytest.raises(CommandError, match=said):
        manage(*arguments)
