"""Keyed digests: what is stored of a token, and of a request that must not be repeated differently."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from django.conf import settings as django_settings
from django.utils.encoding import force_bytes
from django.views.decorators.debug import sensitive_variables

from upnext_django import conf

__all__ = ["digest", "matches"]


@sensitive_variables()
def digest(purpose: str, text: str | bytes) -> str:
    """Return the HMAC-SHA256 of ``text`` by the first key, in 64 hex digits.

    The keys are ``UPNEXT["SIGNING_KEYS"]``, or ``SECRET_KEY`` and its fallbacks where there are none. What
    one ``purpose`` stores means nothing for another.
    """
    return _digest(_keys()[0], purpose, text)


@sensitive_variables()
def matches(purpose: str, text: str | bytes, stored: str) -> tuple[bool, bool]:
    """Return whether one of the keys made ``stored`` of ``text``, and whether the first did.

    All keys are tried, so that the time it takes does not tell which of them it was.
    """
    hits = [hmac.compare_digest(_digest(key, purpose, text), stored) for key in _keys()]
    return any(hits), hits[0]


@sensitive_variables()
def _digest(key: str | bytes, purpose: str, text: str | bytes) -> str:
    derived = hashlib.sha256(f"upnext.{purpose}:".encode() + force_bytes(key)).digest()
    return hmac.new(derived, force_bytes(text, errors="surrogatepass"), hashlib.sha256).hexdigest()


@sensitive_variables()
def _keys() -> Sequence[str | bytes]:
    given = conf.get().signing_keys
    return given or [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
