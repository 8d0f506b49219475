"""Takes the values of sensitive arguments, and of secrets, out of texts that are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

__all__ = ["HIDDEN", "Mask", "hidden_values", "texts_in"]

#: What is shown in place of a sensitive value.
HIDDEN = "[hidden]"

# Shorter ones would be found everywhere, and say little.
_SHORTEST = 3
# From here on a value is found within words too.
_LONG = 6


class Mask:
    """Replaces the given values, wherever a text has them, by HIDDEN.

    Values are looked for as they are, as ``repr()`` and as JSON show them. Texts of less than 3 characters,
    None, True, False and the keys of dicts that could name a field are left alone; texts of less than 6 are
    replaced as whole words only. ``base`` is a mask whose values are replaced too.
    """

    def __init__(self, values: Iterable[Any], *, base: Mask | None = None) -> None:
        self._values = list(values)
        self._base = base
        self._texts: list[str] | None = None

    def add(self, values: Iterable[Any]) -> None:
        """Replace these too."""
        self._values += values
        self._texts = None

    def text(self, text: str) -> str:
        """Return ``text`` without the values."""
        for value in self._known():
            if value in text:
                if len(value) >= _LONG:
                    text = text.replace(value, HIDDEN)
                else:
                    text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text)
        return text

    def json(self, raw: bytes) -> bytes:
        """Return JSON without the values; a number that is one becomes HIDDEN."""
        return msgspec.json.encode(self._masked(msgspec.json.decode(raw)))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        text = str(value)
        return value if self.text(text) == text else HIDDEN

    def _known(self) -> list[str]:
        if self._texts is None:
            found = {form for text in texts_in(self._values) for form in _forms(text)}
            if self._base is not None:
                found.update(self._base._known())
            # The longest first: a value may be a part of another.
            self._texts = sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)
        return self._texts


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts and numbers inside of ``value``, at any depth, as texts."""
    if isinstance(value, str):
        yield value
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            # Else "number" would be hidden in every line of code that reads card.number.
            if not (isinstance(key, str) and key.isidentifier()):
                yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from texts_in(inner)
    elif isinstance(value, bytes | bytearray):
        yield value.decode(errors="ignore")
        yield repr(bytes(value))[2:-1]
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from texts_in(getattr(value, field.name, None))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from texts_in(getattr(value, name, None))
    else:
        yield str(value)


def hidden_values(
    call: tuple[Sequence[Any], Mapping[str, Any]], shown: tuple[Sequence[Any], Mapping[str, Any]]
) -> list[Any]:
    """Return the arguments of ``call`` in whose place ``shown``, the masked call, has HIDDEN."""
    (args, kwargs), (shown_args, shown_kwargs) = call, shown
    return [
        *(value for value, seen in zip(args, shown_args, strict=False) if seen == HIDDEN),
        *(value for name, value in kwargs.items() if shown_kwargs.get(name) == HIDDEN),
    ]


def _forms(text: str) -> set[str]:
    """Return the ways in which a text may stand in a message: plain, and as repr() and JSON escape it."""
    return {
        text,
        text.strip(),
        repr(text)[1:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }
