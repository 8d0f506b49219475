"""Texts of the user's that are kept: made storable, and cut where they are too long."""

from __future__ import annotations

import re

__all__ = ["shorten", "storable"]

# PostgreSQL's text takes no NUL, UTF-8 no lone surrogate; names of files have them (os.fsdecode).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """Return ``text`` with NUL and lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def shorten(text: str, most: int) -> str:
    """Return ``text``, of one over ``most`` characters its beginning and end with a note between them.

    The end is the larger part: that of a traceback has the error.
    """
    if len(text) <= most:
        return text
    note = f"\n... {len(text) - most} characters left out ...\n"
    head = most // 4
    return text[:head] + note + text[len(text) - (most - head) :]
