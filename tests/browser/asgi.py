"""The example under ASGI with its static files, as the tests start it in a process of its own."""

from __future__ import annotations

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

__all__ = ["application"]

application = ASGIStaticFilesHandler(get_asgi_application())
