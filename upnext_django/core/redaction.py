"""What history must not show: values under keys that speak of secrets."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["MASK", "redact"]

MASK = "[redacted]"

# Words that make a key secret wherever they stand in it, as in "userpassword".
_ANYWHERE = "password|passwd|passphrase|secret|apikey|authorization"
# Words that do so only by themselves: "card_number" is secret, "discard" and "tokens_used" are not.
_WHOLE = "token|api_key|access_key|private_key|credentials?|cookies?|card|cvc|cvv|ssn|iban|pin|pwd"

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_SECRET_KEY = re.compile(rf"{_ANYWHERE}|(?:^|_)(?:{_WHOLE})(?:_|$)")
# Any text that could hold such a key, in any spelling; an escape may hide one.
_SUSPECT = re.compile(
    rb"password|passwd|passphrase|secret|api.?key|access.?key|private.?key|authorization|token|credential|"
    rb"cookie|card|cvc|cvv|ssn|iban|pin|pwd|\\u00",
    re.IGNORECASE,
)


def redact(text: bytes) -> bytes:
    """Return the JSON ``text`` with the values of secret keys replaced by MASK, at any depth.

    Booleans and null are kept. A text without such a key comes back as it is. Raises
    msgspec.DecodeError if ``text`` is no JSON and holds anything that looks like such a key.
    """
    if _SUSPECT.search(text) is None:
        return text
    return msgspec.json.encode(_mask(msgspec.json.decode(text)))


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if _is_secret(key) and not (item is None or isinstance(item, bool)) else _mask(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return value


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(_WORD_BORDER.sub("_", key).lower()) is not None
