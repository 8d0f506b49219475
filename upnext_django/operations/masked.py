"""Calls that an operator sees masked: what he leaves masked keeps the value it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from upnext_django.core.masking import HIDDEN
from upnext_django.core.redaction import MASK
from upnext_django.core.refusal import MAX_DEPTH
from upnext_django.exceptions import ArgumentError, UpNextError

__all__ = ["hides", "restored"]

_MASKS = (HIDDEN, MASK)
_NOTHING = object()


def hides(value: Any) -> bool:
    """Return whether a masked value stands anywhere in ``value``."""
    if isinstance(value, Mapping):
        return any(hides(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(hides(inner) for inner in value)
    return value in _MASKS


def restored(edited: Any, shown: Any, old: Any, *, levels: int = MAX_DEPTH) -> Any:
    """Return ``edited`` with the values of ``old`` where it has a mask and ``shown`` has one in that place.

    Raises UpNextError for a mask in a place where nothing was masked: it would be sent as a text. Raises
    ArgumentError for what is nested deeper than ``levels``, which no job takes.
    """
    if levels < 0:
        raise ArgumentError(f"It is nested deeper than {MAX_DEPTH} levels.", argument="args")
    if isinstance(edited, Mapping):
        return {
            key: restored(value, _item(shown, key), _item(old, key), levels=levels - 1)
            for key, value in edited.items()
        }
    if isinstance(edited, list | tuple):
        return [
            restored(value, _item(shown, index), _item(old, index), levels=levels - 1)
            for index, value in enumerate(edited)
        ]
    if edited not in _MASKS:
        return edited
    if shown not in _MASKS:
        raise UpNextError(
            f"{edited!r} stands for a value that is not shown, and in this place of the old call there is "
            "none. Give the value itself."
        )
    return old


def _item(container: Any, key: Any) -> Any:
    if isinstance(container, Mapping):
        return container.get(key, _NOTHING)
    if isinstance(container, Sequence) and not isinstance(container, str) and isinstance(key, int):
        return container[key] if key < len(container) else _NOTHING
    return _NOTHING
