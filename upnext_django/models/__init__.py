"""The rows: history that the mirror writes and people read, and those whose authority is the database."""

from upnext_django.models.artifact import ArtifactRecord
from upnext_django.models.attempt import AttemptRecord
from upnext_django.models.bulk import BulkAction, BulkStatus
from upnext_django.models.dead_letter import DeadLetterRecord
from upnext_django.models.function import FunctionRecord
from upnext_django.models.job import JobRecord
from upnext_django.models.log import LogRecord
from upnext_django.models.outbox import OutboxEntry
from upnext_django.models.pages import Failure, Overview, Queue
from upnext_django.models.schedule import Schedule
from upnext_django.models.secret import Secret
from upnext_django.models.statistic import StatCursor, StatRecord
from upnext_django.models.token import ApiToken
from upnext_django.models.worker import WorkerRecord

__all__ = [
    "ApiToken",
    "ArtifactRecord",
    "AttemptRecord",
    "BulkAction",
    "BulkStatus",
    "DeadLetterRecord",
    "Failure",
    "FunctionRecord",
    "JobRecord",
    "LogRecord",
    "OutboxEntry",
    "Overview",
    "Queue",
    "Schedule",
    "Secret",
    "StatCursor",
    "StatRecord",
    "WorkerRecord",
]
