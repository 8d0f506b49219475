"""Why a demo cannot go on."""

from __future__ import annotations

__all__ = ["DemoFailed"]


class DemoFailed(Exception):
    """The demo cannot go on; the text says what is wrong and what to do."""
