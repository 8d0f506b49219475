"""Lua scripts as files, and a call of one as a value.

A script's header is its contract: the locals for its keys and arguments are generated from the
lines ``-- KEYS:`` and ``-- ARGS:``, and ``-- USES:`` puts shared fragments in front of it. A name
with a star takes all that follows; the script finds its first index in ``<name>_from``. The words of
``-- STATES:`` are statuses and moves of ``core.lifecycle``, each a local that holds its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Generic, TypeVar

import msgspec

from upnext_django.core.lifecycle import JobStatus, Move

__all__ = ["Call", "Script"]

T = TypeVar("T")
#: What a script may call a status or a move: its text.
_STATES = frozenset(JobStatus) | frozenset(Move)
_HEADER = re.compile(r"^-- (KEYS|ARGS|STATES|USES): *(.*)$", re.MULTILINE)


class Script:
    """One script, assembled once at import; ``sha`` is what Redis calls it."""

    __slots__ = ("arguments", "body", "name", "sha")

    def __init__(self, name: str) -> None:
        source = _read(f"{name}.lua")
        header = {kind: words.split() for kind, words in _HEADER.findall(source)}
        shebang, _, rest = source.partition("\n")
        lines = [shebang]
        lines += [f"local {key} = KEYS[{n}]" for n, key in enumerate(header["KEYS"], 1)]
        for n, argument in enumerate(header.get("ARGS", []), 1):
            if argument.endswith("*"):
                lines.append(f"local {argument[:-1]}_from = {n}")
            else:
                lines.append(f"local {argument} = ARGV[{n}]")
        # In the text, not sent with each call: a call of one job spends a tenth of its time on what is sent.
        lines += [f"local {word} = '{_known(word)}'" for word in header.get("STATES", [])]
        lines += [_read(f"shared/{fragment}.lua") for fragment in header.get("USES", [])]
        self.name = name
        self.arguments = tuple(header.get("ARGS", []))
        self.body = "\n".join([*lines, rest]).encode()
        self.sha = hashlib.sha1(self.body, usedforsecurity=False).hexdigest().encode()


def _known(word: str) -> str:
    if word not in _STATES:
        raise ValueError(f"{word!r} in a script's STATES is no status and no move of core.lifecycle.")
    return word


def _read(name: str) -> str:
    return resources.files("upnext_django.broker").joinpath("scripts", name).read_text("utf-8")


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One round trip: a script with its key and arguments, and how to read the reply.

    Every script may be sent again when its answer got lost (the table in engine.md says why), so a
    link repeats a call once on a new connection.
    """

    script: Script
    key: str
    arguments: Sequence[bytes | str | int]
    parse: Callable[[Any], T]

    def command(self) -> list[bytes | str | int]:
        return [b"EVALSHA", self.script.sha, 1, self.key, *self.arguments]

    def full_command(self) -> list[bytes | str | int]:
        """The same with the script's text, for a server that does not know it yet."""
        return [b"EVAL", self.script.body, 1, self.key, *self.arguments]
