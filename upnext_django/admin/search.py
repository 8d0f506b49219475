"""Jobs by the value of an argument: ``kwargs.order_id:7``, ``args.0:"text"``."""

from __future__ import annotations

import json
import re
from typing import Any

from upnext_django.models import JobRecord
from upnext_django.operations.bulk.selection import Clause

__all__ = ["NEWEST", "argument_of", "having_argument"]

#: Arguments have no index, so that only so many jobs are looked through.
NEWEST = 50_000
_TERM = re.compile(r"(?P<path>(?:args|kwargs)(?:\.\w+)+):(?P<value>.+)", re.DOTALL)


def argument_of(term: str) -> tuple[str, Any] | None:
    """Return the path and the value that a search asks for, None if it asks for something else.

    The value is JSON; what is none is a text: ``kwargs.name:ann`` and ``kwargs.name:"ann"`` are the same.
    """
    found = _TERM.fullmatch(term)
    if found is None:
        return None
    text = found["value"].strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return found["path"], value


def having_argument(path: str, value: Any, *, using: str) -> Clause:
    """Return those of the newest 50,000 of all jobs whose argument at ``path`` is ``value``."""
    jobs = JobRecord.objects.using(using).order_by("-id").values_list("id", flat=True)
    oldest = jobs[NEWEST - 1 : NEWEST].first()
    held = {f"arguments__{path.replace('.', '__')}": value}
    return [held if oldest is None else {**held, "id__gte": oldest}]
