"""The example as a site under ASGI, with the policy that its pages must hold."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403
from example_project.settings import MIDDLEWARE as EXAMPLE_MIDDLEWARE

DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # as in tests/conftest.py
MIDDLEWARE = [
    *EXAMPLE_MIDDLEWARE,
    "django.middleware.gzip.GZipMiddleware",
    "tests.browser.policy.strict_policy",
]
