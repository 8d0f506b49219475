"""The attempts of a job as a table, each with its traceback."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from upnext_django.admin.display import duration, pill, visible
from upnext_django.admin.readonly import part_of
from upnext_django.models import AttemptRecord
from upnext_django.operations import history

__all__ = ["attempts_table"]


def attempts_table(job_id: str, seen: Any) -> SafeString:
    """Return the newest 200 claims of a job, for who is shown the row ``seen``; one query."""
    using, among = seen._state.db or "default", part_of(AttemptRecord, seen)
    rows = [
        {
            "attempt": one,
            "state": pill(one.outcome),
            "ran_for": duration(one.started_at, one.ended_at),
            "error": visible(one.error or "-"),
            "traceback": visible(one.traceback or ""),
        }
        for one in history.attempts(job_id, using=using, among=among)
    ]
    return render_to_string("admin/upnext/jobrecord/attempts.html", {"rows": rows})
