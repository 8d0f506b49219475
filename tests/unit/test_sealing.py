"""Encryption by the keys of the settings."""

from __future__ import annotations

import sys

import pytest

from tests.keys import KEY, OTHER_KEY
from upnext_django.core.sealing import Sealer, Use, is_key, sealer_for
from upnext_django.exceptions import EncryptionError


def test_what_is_sealed_opens_and_shows_nothing():
    sealer = Sealer([KEY], Use.ARGUMENTS)

    sealed = sealer.seal(b"tulip")

    assert "tulip" not in sealed
    assert sealer.open(sealed) == b"tulip"
    assert sealer.seal(b"tulip") != sealed


def test_the_first_key_writes_and_all_of_them_read():
    old, both, new = (Sealer(keys, Use.ARGUMENTS) for keys in ([KEY], [OTHER_KEY, KEY], [OTHER_KEY]))

    assert both.open(old.seal(b"tulip")) == b"tulip"
    assert new.open(both.seal(b"tulip")) == b"tulip"
    with pytest.raises(EncryptionError, match="Put the old key back"):
        new.open(old.seal(b"tulip"))


def test_what_was_sealed_for_one_use_is_not_taken_for_another():
    sealed = Sealer([KEY], Use.SECRETS).seal(b'[["stripe"],{}]')

    with pytest.raises(EncryptionError):
        Sealer([KEY], Use.ARGUMENTS).open(sealed)


@pytest.mark.parametrize("sealed", ["", "gAAAA", "no token", "ü"])
def test_what_is_damaged_says_so(sealed: str):
    with pytest.raises(EncryptionError, match="damaged"):
        Sealer([KEY], Use.ARGUMENTS).open(sealed)


def test_sealing_again_is_done_once():
    old, new = Sealer([KEY], Use.SECRETS), Sealer([OTHER_KEY, KEY], Use.SECRETS)
    sealed = old.seal(b"tulip")

    again = new.resealed(sealed)

    assert again is not None
    assert new.resealed(again) is None
    assert Sealer([OTHER_KEY], Use.SECRETS).open(again) == b"tulip"


def test_a_digest_depends_on_the_first_key_alone():
    digest = Sealer([KEY], Use.ARGUMENTS).digest(b"1234")

    assert len(digest) == 32
    assert Sealer([KEY, OTHER_KEY], Use.ARGUMENTS).digest(b"1234") == digest
    assert Sealer([OTHER_KEY, KEY], Use.ARGUMENTS).digest(b"1234") != digest


def test_without_keys_there_is_no_sealer():
    assert sealer_for((), Use.ARGUMENTS) is None


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)

    with pytest.raises(EncryptionError, match=r"pip install 'upnext-django\[secrets\]'"):
        Sealer([KEY], Use.ARGUMENTS)


@pytest.mark.parametrize(
    ("text", "good"),
    [(KEY, True), (KEY[:-4], False), ("", False), ("hunter2", False), ("ü" * 44, False)],
    ids=["key", "cut key", "empty", "word", "no ASCII"],
)
def test_what_is_a_key(text: str, good: bool):
    assert is_key(text) == good
