"""What failures have in common: the same error at the same place, whatever the values in its message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["Fingerprint", "fingerprint_of"]

_LONGEST_MESSAGE = 200
_LONGEST_FRAME = 200
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+, in (?P<name>.+)$', re.MULTILINE)
#: Frames of installed packages and of Python say where an error was raised, not whose it is.
_NOT_THE_PROJECTS = ("/site-packages/", "/dist-packages/", "/upnext_django/", "/lib/python", "<frozen ")
# Ordered: the longer forms first, since their parts look like numbers and names.
_VALUES = (
    (re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:?\d\d|Z)?"), "<time>"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"), "<address>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "<address>"),
    (re.compile(r"0x[0-9a-fA-F]+"), "<number>"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "<text>"),
    (re.compile(r"\b[0-9a-fA-F]{16,}\b"), "<id>"),
    (re.compile(r"\d+(\.\d+)?"), "<number>"),
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One kind of failure: ``digest`` (16 hex digits) names it, the rest is for people.

    ``message`` has placeholders where values were; ``frame`` is "file.py in function", the last place in the
    traceback that is the project's own, or the last of all; "" without a traceback.
    """

    digest: str
    error_type: str
    message: str
    frame: str


def fingerprint_of(error_type: str | None, error: str | None, traceback: str | None) -> Fingerprint:
    """Return the kind of a failure. The same error at the same place gives the same, line numbers aside."""
    kind = error_type or "unknown"
    message = _message(error or "", kind)
    frame = _frame(traceback or "")
    digest = blake2b("\0".join((kind, message, frame)).encode(errors="replace"), digest_size=8).hexdigest()
    return Fingerprint(digest, kind, message, frame)


def _message(error: str, kind: str) -> str:
    text = error.strip().partition("\n")[0].removeprefix(f"{kind}: ")[: 4 * _LONGEST_MESSAGE]
    for pattern, placeholder in _VALUES:
        text = pattern.sub(placeholder, text)
    return text[:_LONGEST_MESSAGE]


def _frame(traceback: str) -> str:
    frames = [(match["file"], match["name"]) for match in _FRAME.finditer(traceback)]
    own = [frame for frame in frames if not any(part in frame[0] for part in _NOT_THE_PROJECTS)]
    if not (own or frames):
        return ""
    file, name = (own or frames)[-1]
    return f"{file.rpartition('/')[2]} in {name}"[:_LONGEST_FRAME]
