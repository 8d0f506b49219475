"""The development server: an embedded Valkey for projects that have no Redis yet.

For development and tests only. It needs the extra ``dev-server`` and runs on Linux and macOS.
"""

from __future__ import annotations

from upnext_django.embedded.server import EmbeddedValkey

__all__ = ["EmbeddedValkey"]
