"""Ids that users give their jobs: Celery's ``task_id``.

A job's own id says when it was made and leads to its queue; a given one is any text. It travels as the
job's idempotency key, so one job of a function and a given id lives at a time, the history finds it by
the index of that key, and the directory in Redis leads from it to the job's own id.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_GIVEN_ID", "given_id_in", "key_of_given_id", "may_be_given_id"]

#: With the prefix it fits into the column of the history that is searched by it.
MAX_GIVEN_ID = 200

_PREFIX = "task_id:"


def key_of_given_id(given: Any) -> str:
    """Return the idempotency key of a job whose user calls it ``given``.

    Raises TypeError for what is no text, ValueError for one that nobody could look up again.
    """
    if not isinstance(given, str):
        raise TypeError(f"task_id={given!r} is no text; pass a str, such as str(value).")
    if not may_be_given_id(given):
        raise ValueError(
            f"task_id={given[:80]!r} cannot be an id: give 1 to {MAX_GIVEN_ID} characters, without NUL and "
            "lone surrogates; None makes one up."
        )
    return _PREFIX + given


def given_id_in(key: str | None) -> str | None:
    """Return the given id that an idempotency key stands for, None if it is an ordinary key."""
    if key is None or not key.startswith(_PREFIX):
        return None
    return key.removeprefix(_PREFIX)


def may_be_given_id(text: str) -> bool:
    """Return whether ``text`` can be an id that a user gave: what Redis and a database column can hold."""
    if not 0 < len(text) <= MAX_GIVEN_ID or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
