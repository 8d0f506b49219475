"""A project that keeps artifacts in a folder of the tests."""

from __future__ import annotations

import os

from tests.fundamentals.settings import *  # noqa: F403
from tests.fundamentals.settings import UPNEXT as FUNDAMENTALS

MEDIA_ROOT = os.environ["UPNEXT_TEST_MEDIA"]
UPNEXT = {**FUNDAMENTALS, "MAX_ARTIFACT_BYTES": int(os.environ["UPNEXT_TEST_MAX_ARTIFACT_BYTES"])}
