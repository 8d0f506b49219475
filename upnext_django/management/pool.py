"""What makes a process of a worker's pool one of the Django project."""

from __future__ import annotations

import sys
from collections.abc import Callable

import django
from django.apps import apps

from upnext_django.management.logs import show_logs
from upnext_django.runtime.scope import AttemptScope

__all__ = ["set_up_pool_process"]


def set_up_pool_process(verbosity: int, enter: Callable[[], object] = django.setup) -> AttemptScope:
    """Set Django up by ``enter``, with the worker's log lines, and return the scope of each attempt.

    Called in a fresh process, which has the environment of the worker and so its settings module.
    """
    if not apps.ready:
        enter()
    show_logs(verbosity, sys.stderr)
    # Here and not above: it reads the settings.
    from upnext_django.dbscope import DatabaseScope

    return DatabaseScope()
