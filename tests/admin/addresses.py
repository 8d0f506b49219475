"""Every address of our models in the admin, as the URLconf has them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import URLPattern, reverse

from upnext_django.connection import get_broker
from upnext_django.models import Queue

__all__ = ["addresses", "models"]


def models() -> list[type[Model]]:
    """Return our models that the admin shows."""
    return [model for model in admin.site._registry if model._meta.app_label == "upnext"]


def addresses() -> dict[str, str]:
    """Return a path for each name, ``upnext_<model>_<what>``; where it takes a row, that of the first one."""
    found = {}
    for model in models():
        for pattern in admin.site._registry[model].get_urls():
            if pattern.name is not None:
                found[pattern.name] = _path(model, pattern)
    return found


def _path(model: type[Model], pattern: URLPattern) -> str:
    taken = list(pattern.pattern.converters)
    return reverse(f"admin:{pattern.name}", kwargs=dict.fromkeys(taken, quote(_example(model))))


def _example(model: type[Model]) -> Any:
    """Return the key of a row, "none" where there is no table or it is empty."""
    if model is Queue:
        return next(iter(get_broker().inspector.queues()), "none")
    row = model._default_manager.order_by("pk").first()
    return "none" if row is None else row.pk
