"""The REST API: ``path("api/v1/", api.urls)``, or ``router`` for a NinjaAPI of one's own."""

from upnext_django.api.application import api, router
from upnext_django.api.problems import install

__all__ = ["api", "install", "router"]
