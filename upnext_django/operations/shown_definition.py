"""What a function's registry entry shows to people: no default that the history would redact.

Processes that make jobs of the function read the entry as it is: limit keys may name any parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from upnext_django.core.redaction import redact

__all__ = ["shown", "shows_default"]

_encode = msgspec.json.Encoder().encode


def shown(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry without what must not be shown."""
    parameters = [
        one if shows_default(one) else {key: value for key, value in one.items() if key != "default"}
        for one in definition.get("parameters", ())
    ]
    return {**definition, "parameters": parameters}


def shows_default(parameter: Mapping[str, Any]) -> bool:
    """Return whether the default of a parameter of the entry may be shown; also where it has none."""
    raw = _encode({parameter["name"]: parameter.get("default")})
    return redact(raw) == raw
