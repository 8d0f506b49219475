"""Calls that do not fit their function: the caller's mistake, not ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from upnext_django.api.problems import FieldError, ProblemError
from upnext_django.exceptions import ArgumentError, UnknownQueue

__all__ = ["calling"]


@contextmanager
def calling() -> Iterator[None]:
    """Make what a submit raises for wrong arguments and options into a problem that names the field.

    Only around the call of an operation: a TypeError from elsewhere is a bug.
    """
    try:
        yield
    except ArgumentError as error:
        raise _invalid(f"body.{error.argument}", error) from error
    except UnknownQueue as error:
        raise _invalid("body.queue", error) from error
    except (TypeError, ValueError) as error:
        raise _invalid("body", error) from error


def _invalid(field: str, error: Exception) -> ProblemError:
    return ProblemError(422, str(error), errors=[FieldError(field=field, rule=str(error))])
