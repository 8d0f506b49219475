"""Where a command's log lines go when the project says nothing about it."""

from __future__ import annotations

import logging
from typing import TextIO

__all__ = ["show_logs"]

_LEVELS = {0: logging.WARNING, 1: logging.INFO}


def show_logs(verbosity: int, stream: TextIO) -> None:
    """Write the logger "upnext" to ``stream``, unless the project's LOGGING gives it a handler.

    ``verbosity`` is the command's ``-v``: 0 shows warnings, 1 what happens, 2 and 3 everything.
    """
    logger = logging.getLogger("upnext")
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(_LEVELS.get(verbosity, logging.DEBUG))
