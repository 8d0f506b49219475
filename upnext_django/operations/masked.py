"""Calls that an operator sees masked: what he leaves masked keeps the value it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from upnext_django.core.masking import HIDDEN
from upnext_django.exceptions import UpNextError
from upnext_django.mirror.redaction import MASK

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


def restored(edited: Any, shown: Any, old: Any) -> Any:
    """Return ``edited`` with the values of ``old`` where it has a mask and ``shown`` has one in that place.

    Raises UpNextError for a mask in a place where nothing was masked: it would be sent as a text.
    """
    if isinstance(edited, Mapping):
        return {key: restored(value, _item(shown, key), _item(old, key)) for key, value in edited.items()}
    if isinstance(edited, list | tuple):
        return [restored(value, _item(shown, index), _item(old, index)) for index, value in enumerate(edited)]
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
