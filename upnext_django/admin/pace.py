"""How many jobs end in a minute or an hour, in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.utils.translation import gettext as _

from upnext_django.operations import stats
from upnext_django.operations.scope import visible_statistics
from upnext_django.operations.stats import Counts, Window

__all__ = ["of_queues", "pace"]


def pace(counts: Counts, window: Window) -> str:
    """Return how many jobs of ``counts`` ended in a minute of ``window``, in an hour if they are few."""
    per_minute = counts.ended * 60 / window.length_s
    if per_minute >= 1:
        return _("%(rate)s a minute") % {"rate": f"{per_minute:,.1f}"}
    return _("%(rate)s an hour") % {"rate": f"{per_minute * 60:,.1f}"}


def of_queues(request: HttpRequest, window: Window) -> Mapping[str, str]:
    """Return the pace of each queue that had jobs; nothing where they count jobs of others too.

    Raises DatabaseError.
    """
    among = visible_statistics(request)
    if among is None:
        return {}
    return {queue: pace(counts, window) for queue, counts in stats.by_queue(window, among=among).items()}
