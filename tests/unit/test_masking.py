"""Values are taken out of texts in every form that a text gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest

from upnext_django.core.failure import MAX_ERROR_CHARS, describe
from upnext_django.core.masking import Mask, hidden_values

ODD = 'it\'s\n"é"'
ACCOUNT = UUID("12345678-1234-5678-1234-567812345678")


@dataclass
class Card:
    number: str
    pin: int


class Place(msgspec.Struct):
    street: str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("tulip7", "my tulip7 is"),
        ("tulip7", "xtulip7x"),
        (ODD, f"repr {ODD!r}"),
        (ODD, f"json {json.dumps(ODD)} {json.dumps(ODD, ensure_ascii=False)}"),
        (987654, "number 987654"),
        (98.7654, "number 98.7654"),
        (["tulip7", {"2024-x": 55555}], "tulip7 2024-x 55555"),
        (Card("4242-1881", 987), "4242-1881 987"),
        (Place("tulip7 street"), "at tulip7 street 9"),
        (b"tul\xfftulip7", "b'tul\\xfftulip7'"),
        (ACCOUNT, f"of {ACCOUNT}"),
        (date(2024, 2, 3), "on 2024-02-03"),
        ("  tulip7\n", "read tulip7"),
    ],
)
def test_a_value_is_hidden(value: Any, text: str):
    masked = Mask([value]).text(text)

    assert "[hidden]" in masked
    for part in ("tulip7", "987", "4242", "é", "\\u00e9", "12345678", "2024", "55555"):
        assert part not in masked


def test_short_values_are_hidden_as_words_only():
    mask = Mask(["123", "ab"])

    assert mask.text("cvc 123, line 1234, ab") == "cvc [hidden], line 1234, ab"


def test_what_is_no_text_is_left_alone():
    assert Mask([None, True, "", "   "]).text("None, True and nothing") == "None, True and nothing"


def test_names_of_fields_are_left_alone():
    assert Mask([{"number": "4242-1881"}]).text("card.number is 4242-1881") == "card.number is [hidden]"


def test_a_value_in_another_is_hidden_with_it():
    assert Mask(["tulip", "tulip-rose"]).text("a tulip-rose") == "a [hidden]"


def test_the_values_of_the_base_are_hidden_too():
    assert Mask(["tulip7"], base=Mask(["rose12"])).text("tulip7 rose12") == "[hidden] [hidden]"


def test_values_that_are_added_later_are_hidden():
    mask = Mask(["tulip7"])
    mask.text("")

    mask.add(["rose12"])

    assert mask.text("rose12") == "[hidden]"


def test_json_keeps_its_shape():
    raw = b'{"a":["x tulip7",987654,true,null,1.5],"tulip7":{"b":987}}'

    assert json.loads(Mask(["tulip7", 987654]).json(raw)) == {
        "a": ["x [hidden]", "[hidden]", True, None, 1.5],
        "[hidden]": {"b": 987},
    }


def test_a_value_is_hidden_before_the_text_is_cut():
    secret = "tulip" * 10
    error = ValueError("x" * (MAX_ERROR_CHARS - 30) + secret)

    _, text, trace = describe(error, Mask([secret]))

    assert "tulip" not in text
    assert "tulip" not in trace


def test_hidden_values_are_those_in_the_place_of_the_mask():
    shown = (["ada", "[hidden]"], {"pin": "[hidden]", "note": "hi"})

    assert hidden_values((["ada", "card"], {"pin": 7, "note": "hi"}), shown) == ["card", 7]
