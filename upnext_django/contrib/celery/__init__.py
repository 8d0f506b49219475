"""Celery's words for the tasks of upnext_django: a task module moves over by its import lines.

``from celery import shared_task`` becomes ``from upnext_django.contrib.celery import shared_task``;
docs/how-to/from-celery.md says what works and what does not. Nothing of Celery is imported.
"""

from upnext_django.contrib.celery.app import Celery
from upnext_django.contrib.celery.result import AsyncResult, GroupResult
from upnext_django.contrib.celery.shared_task import shared_task
from upnext_django.contrib.celery.signature import Signature, chain, chord, group, signature
from upnext_django.contrib.celery.task import Task

__all__ = [
    "AsyncResult",
    "Celery",
    "GroupResult",
    "Signature",
    "Task",
    "chain",
    "chord",
    "group",
    "shared_task",
    "signature",
]
