"""The dashboard in Django's admin; importing this registers its pages."""

from upnext_django.admin.artifact import ArtifactRecordAdmin
from upnext_django.admin.bulk import BulkActionAdmin
from upnext_django.admin.dead_letter import DeadLetterRecordAdmin
from upnext_django.admin.failure import FailureAdmin
from upnext_django.admin.function import FunctionRecordAdmin
from upnext_django.admin.job import JobRecordAdmin
from upnext_django.admin.outbox import OutboxEntryAdmin
from upnext_django.admin.overview import OverviewAdmin
from upnext_django.admin.queue import QueueAdmin
from upnext_django.admin.schedule import ScheduleAdmin
from upnext_django.admin.secret import SecretAdmin
from upnext_django.admin.token import ApiTokenAdmin
from upnext_django.admin.worker import WorkerRecordAdmin

__all__ = [
    "ApiTokenAdmin",
    "ArtifactRecordAdmin",
    "BulkActionAdmin",
    "DeadLetterRecordAdmin",
    "FailureAdmin",
    "FunctionRecordAdmin",
    "JobRecordAdmin",
    "OutboxEntryAdmin",
    "OverviewAdmin",
    "QueueAdmin",
    "ScheduleAdmin",
    "SecretAdmin",
    "WorkerRecordAdmin",
]
