"""How much memory processes use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

__all__ = ["MIB", "resident_bytes"]

MIB = 1024 * 1024
_PS_S = 5.0


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of ``pids`` together, pages they share counted for each. Those gone count 0.

    Reads ``/proc`` on Linux and asks ``ps`` elsewhere.
    """
    if sys.platform == "linux":
        return sum(_resident_pages(pid) for pid in pids) * os.sysconf("SC_PAGE_SIZE")
    listed = ",".join(map(str, pids))
    try:
        done = subprocess.run(
            ["ps", "-o", "rss=", "-p", listed], capture_output=True, text=True, timeout=_PS_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(int(line) for line in done.stdout.split() if line.isdigit()) * 1024


def _resident_pages(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
