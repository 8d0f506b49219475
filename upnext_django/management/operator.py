"""What the operators' commands have in common: errors of upnext_django as the command's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from upnext_django.exceptions import UpNextError

__all__ = ["BY", "told_errors"]

#: Who acts, in the log.
BY = "manage.py"


@contextmanager
def told_errors() -> Iterator[None]:
    """End the command with exit code 1 and the sentence of an error, without a traceback."""
    try:
        yield
    except (ImproperlyConfigured, TypeError, UpNextError) as error:
        raise CommandError(str(error)) from error
