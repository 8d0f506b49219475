"""``python manage.py upnext_resume``: let the jobs of a function or queue begin again."""

from __future__ import annotations

from upnext_django.management.switch import SwitchCommand
from upnext_django.operations import control

__all__ = ["Command"]


class Command(SwitchCommand):
    """Let the jobs of a function or queue begin again (see operations.control)."""

    help = "Let the jobs of a function or queue begin again; without an argument, show what is paused."
    verb = "resumed"
    switch_function = staticmethod(control.resume_function)
    switch_queue = staticmethod(control.resume_queue)
