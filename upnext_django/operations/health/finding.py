"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "State"]


class State(StrEnum):
    """How bad it is. UNKNOWN: it could not be asked."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: ``found`` is what is there, ``fix`` what to do, "" where nothing is wrong."""

    name: str
    state: State
    found: str
    fix: str = ""
