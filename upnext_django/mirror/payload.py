"""What the history has of a payload: masked, redacted, and as JSON that both databases take."""

from __future__ import annotations

import re

import msgspec

from upnext_django.core.job import Envelope
from upnext_django.core.redaction import redact

__all__ = ["arguments_of", "meta_of", "stored"]

_read_call = msgspec.json.Decoder(tuple[msgspec.Raw, msgspec.Raw]).decode
_encode = msgspec.json.encode
# An escaped NUL, which PostgreSQL stores in no text, behind an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def arguments_of(envelope: Envelope) -> str | None:
    """Return ``{"args": [...], "kwargs": {...}}`` as JSON; of encrypted arguments their masked copy.

    Where there is no such copy it says ``"sealed": true``. Raises msgspec.MsgspecError for what is no call.
    """
    raw = bytes(envelope.args)
    if envelope.sealed and raw[:1] != b"[":
        if envelope.shown is not msgspec.UNSET:
            return _call(bytes(envelope.shown))
        return '{"args":[],"kwargs":{},"sealed":true}'
    return _call(raw)


def meta_of(envelope: Envelope) -> str | None:
    """Return the meta as JSON, None if it has none."""
    return None if envelope.meta is None else stored(redact(_encode(envelope.meta)))


def stored(raw: bytes) -> str | None:
    """Return JSON as text that both databases take; null becomes None, as NULL."""
    if raw == b"null":
        return None
    if b"\\u0000" in raw:
        raw = _NUL.sub(rb"\1\\ufffd", raw)
    return raw.decode()


def _call(raw: bytes) -> str | None:
    args, kwargs = _read_call(raw)
    return stored(b'{"args":%b,"kwargs":%b}' % (redact(bytes(args)), redact(bytes(kwargs))))
