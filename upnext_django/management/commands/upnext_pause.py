"""``python manage.py upnext_pause``: let no job of a function or queue begin."""

from __future__ import annotations

from upnext_django.management.switch import SwitchCommand
from upnext_django.operations import control

__all__ = ["Command"]


class Command(SwitchCommand):
    """Let no job of a function or queue begin (see operations.control)."""

    help = "Let no job of a function or queue begin; without an argument, show what is paused."
    verb = "paused"
    switch_function = staticmethod(control.pause_function)
    switch_queue = staticmethod(control.pause_queue)
