"""The example under ASGI for the generated client; in the worker's process with the tasks of its test."""

from __future__ import annotations

import os
from pathlib import Path

from tests.browser.asgi_settings import *  # noqa: F403
from tests.browser.asgi_settings import INSTALLED_APPS as EXAMPLE_APPS

INSTALLED_APPS = [*EXAMPLE_APPS, *(["tests.worker_app"] if "UPNEXT_TEST_TASKS" in os.environ else [])]
MEDIA_ROOT = Path(os.environ["UPNEXT_TEST_MEDIA"])
