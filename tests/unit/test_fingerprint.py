"""Fingerprints: the same error at the same place is one, whatever the values in it."""

from __future__ import annotations

import pytest

from upnext_django.core.fingerprint import fingerprint_of

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line {line}, in charge
    client.post(order)
  File "/venv/lib/python3.12/site-packages/requests/api.py", line 115, in post
    raise ConnectionError(url)
ConnectionError: no route
"""


def test_values_line_numbers_and_packages_do_not_part_failures():
    first = fingerprint_of(
        "ConnectionError", "ConnectionError: order 17 at 10.0.0.7:443", TRACEBACK.format(line=9)
    )
    second = fingerprint_of(
        "ConnectionError", "ConnectionError: order 2209 at 10.1.2.3:80", TRACEBACK.format(line=12)
    )

    assert first == second
    assert (first.message, first.frame) == ("order <number> at <address>", "tasks.py in charge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("KeyError: 'customer'", "<text>"),
        ("no job 019a0000-0000-7000-8000-000000000001", "no job <id>"),
        ("at 2026-11-26T10:00:00Z", "at <time>"),
        ("ann@example.com bounced", "<address> bounced"),
        ("token deadbeefdeadbeefdeadbeef", "token <id>"),
        ("timeout after 30.0 seconds", "timeout after <number> seconds"),
        ("first line\nsecond line", "first line"),
        ("", ""),
    ],
)
def test_values_become_placeholders(text: str, message: str):
    assert fingerprint_of("KeyError", text, None).message == message


def test_another_error_message_or_place_is_another_failure():
    trace = TRACEBACK.format(line=9)
    kinds = [
        ("ValueError", "ValueError: declined", trace),
        ("TypeError", "ValueError: declined", trace),
        ("ValueError", "ValueError: expired", trace),
        ("ValueError", "ValueError: declined", trace.replace("in charge", "in refund")),
        ("ValueError", "ValueError: declined", None),
    ]

    digests = {fingerprint_of(*one).digest for one in kinds}

    assert len(digests) == 5


def test_what_is_only_in_packages_is_named_by_its_last_frame():
    text = '  File "/venv/lib/python3.12/site-packages/a.py", line 1, in f\n    x\n'

    assert fingerprint_of("E", "E: x", text).frame == "a.py in f"


def test_a_long_message_is_cut():
    assert len(fingerprint_of("E", "x" * 100_000, "y" * 100_000).message) == 200
