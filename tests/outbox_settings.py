"""The example project with its outbox switched on."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403
from example_project.settings import UPNEXT as EXAMPLE

UPNEXT = {**EXAMPLE, "OUTBOX": True}
