"""Background jobs for Django on Redis Streams. ``import upnext_django as upnext``.

Importing it needs no Django settings and opens no connection.
"""

from typing import TYPE_CHECKING, Unpack

from upnext_django.core.artifact import ArtifactType
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.declare.artifact import create_artifact, create_artifact_sync
from upnext_django.declare.bulk import submit_many
from upnext_django.declare.context import Context, get_current_context
from upnext_django.declare.event import Event, EventHandler, event
from upnext_django.declare.future import Future
from upnext_django.declare.gather import first_completed, gather, map_tasks
from upnext_django.declare.gather_sync import first_completed_sync, gather_sync, map_tasks_sync
from upnext_django.declare.job import Job, aget_job, get_job
from upnext_django.declare.result import TaskResult
from upnext_django.declare.task import TaskHandle
from upnext_django.declare.worker import SyncExecutor, Worker, cron, task
from upnext_django.exceptions import (
    ArgumentError,
    Backpressure,
    DefinitionError,
    EncryptionError,
    InvalidTransition,
    JobNotFound,
    RedisUnavailable,
    Retry,
    ScheduleNotFound,
    SecretNotFound,
    TaskExecutionError,
    TaskTimeoutError,
    UnknownQueue,
    UnknownTask,
    UpNextError,
    WaitInTransaction,
    WorkflowDeadlock,
)

if TYPE_CHECKING:
    from upnext_django.cli.run import RunOptions

__all__ = [
    "ArgumentError",
    "ArtifactType",
    "Backpressure",
    "Context",
    "DefinitionError",
    "EncryptionError",
    "Event",
    "EventHandler",
    "Future",
    "InvalidTransition",
    "Job",
    "JobNotFound",
    "MissedRunPolicy",
    "RedisUnavailable",
    "Retry",
    "ScheduleNotFound",
    "SecretNotFound",
    "SyncExecutor",
    "TaskExecutionError",
    "TaskHandle",
    "TaskResult",
    "TaskTimeoutError",
    "UnknownQueue",
    "UnknownTask",
    "UpNextError",
    "WaitInTransaction",
    "Worker",
    "WorkflowDeadlock",
    "aget_job",
    "create_artifact",
    "create_artifact_sync",
    "cron",
    "event",
    "first_completed",
    "first_completed_sync",
    "gather",
    "gather_sync",
    "get_current_context",
    "get_job",
    "map_tasks",
    "map_tasks_sync",
    "run",
    "submit_many",
    "task",
]


def run(*workers: Worker, **options: "Unpack[RunOptions]") -> None:
    """Run Workers in this process until SIGTERM or Ctrl-C; without one, all that are declared.

    For a script without a Django project: see cli.run.RunOptions for the options and cli.project for
    where its history is kept. With ``DJANGO_SETTINGS_MODULE`` it is the worker of that project. While
    ``upnext run FILE`` imports the file it returns at once, since the command runs the Workers. Raises
    UpNextError where they cannot be run.
    """
    # Here and not above: it needs Django, and declaring and submitting do not.
    from upnext_django.cli.run import run_here

    run_here(workers, options)
