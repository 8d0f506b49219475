"""The project of the streams under load: many clients of one address, as no site has them."""

from __future__ import annotations

from tests.browser.asgi_settings import *  # noqa: F403
from tests.browser.asgi_settings import UPNEXT as EXAMPLE_UPNEXT

UPNEXT = {**EXAMPLE_UPNEXT, "API_RATES": {"token": None, "address": None}}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
