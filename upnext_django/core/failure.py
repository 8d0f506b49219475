"""What is kept of an exception: text, never the object."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import TracebackType

from upnext_django.core.masking import Mask
from upnext_django.core.text import storable

__all__ = ["MAX_ERROR_CHARS", "MAX_TRACEBACK_BYTES", "describe", "release"]

MAX_ERROR_CHARS = 4096
MAX_TRACEBACK_BYTES = 16 * 1024

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
_UNREADABLE = "<its text cannot be read: str() of it failed>"


def describe(error: BaseException, mask: Mask | None = None) -> tuple[str, str, str]:
    """Return the class name, ``"ValueError: text"`` and the traceback of ``error``, ready to store.

    Never raises, whatever the exception's own ``str()`` does. The traceback has no local values, begins
    at the first frame outside this package and has at most 16 KiB: of a longer one the middle is left
    out. Lone surrogates and NUL are replaced by U+FFFD. ``mask`` is applied before anything is cut: the
    rest of a value would not be known again.
    """
    name = storable(type(error).__name__)
    told = storable(_masked(_text_of(error), mask))
    text = f"{name}: {told}" if told else name
    if len(text) > MAX_ERROR_CHARS:
        text = text[: MAX_ERROR_CHARS - 1] + "…"
    return name, text, _shorten(storable(_masked(_traceback_of(error), mask)))


def release(error: BaseException) -> None:
    """Drop the tracebacks of ``error`` and of what it was raised from.

    Their frames hold every local value of the failed call, and often the exception itself: a circle
    that would live until the garbage collector's next full pass. Call it when nobody reads them any more.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = None
        waiting += (current.__cause__, current.__context__)
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the user's __str__, which may do anything
        return _UNREADABLE


def _traceback_of(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException(
            type(error), error, _first_foreign(error.__traceback__), compact=True
        )
        return "".join(lines.format())
    except Exception:  # noqa: BLE001 - the user's __str__ or source files, which may do anything
        return f"{type(error).__name__}: {_UNREADABLE}\n"


def _first_foreign(tb: TracebackType | None) -> TracebackType | None:
    """Return the traceback from its first frame outside this package; all of it if there is none."""
    current = tb
    while current is not None and current.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        current = current.tb_next
    return current or tb


def _masked(text: str, mask: Mask | None) -> str:
    return text if mask is None else mask.text(text)


def _shorten(text: str) -> str:
    raw = text.encode()
    if len(raw) <= MAX_TRACEBACK_BYTES:
        return text
    # The end names the error and where it was raised: it gets the larger part.
    head, tail = MAX_TRACEBACK_BYTES // 4, MAX_TRACEBACK_BYTES * 3 // 4 - 100
    note = f"\n... {len(raw) - head - tail} bytes left out ...\n"
    return raw[:head].decode(errors="ignore") + note + raw[-tail:].decode(errors="ignore")
