"""How commands read their words: JSON, numbers, seconds. Each says what would be right."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Address", "at_least_one", "days", "health_address", "json_dict", "json_list", "seconds"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; the host "" stands for every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if host else str(self.port)


def json_list(text: str) -> list[Any]:
    """Return a JSON list."""
    value: list[Any] = _json(text, list, '["a", 1]')
    return value


def json_dict(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    value: dict[str, Any] = _json(text, dict, '{"order": 7}')
    return value


def at_least_one(text: str) -> int:
    """Return a whole number of 1 or more."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return number


def seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    return _above_zero(text, "seconds")


def days(text: str) -> float:
    """Return a number of days above 0; 0.5 is twelve hours."""
    return _above_zero(text, "days")


def health_address(text: str) -> Address:
    """Return ``PORT`` or ``HOST:PORT``; an IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    number = int(port) if port.isdecimal() else 0
    if not 0 < number < 65536 or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port from 1 to 65535, with or without a host: 8081, 127.0.0.1:8081, [::1]:8081"
        )
    return Address(host.strip("[]"), number)


def _above_zero(text: str, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 < number < float("inf"):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit} above 0")


def _json(text: str, kind: type, example: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON ({error}); write it like {example}") from error
    if not isinstance(value, kind):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON {kind.__name__}; write it like {example}")
    return value
