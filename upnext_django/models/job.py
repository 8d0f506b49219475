"""A job in the history."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.core.lifecycle import JobStatus
from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["STATUS_CHOICES", "JobRecord"]

STATUS_CHOICES = [
    (JobStatus.SCHEDULED.value, _("scheduled")),
    (JobStatus.QUEUED.value, _("queued")),
    (JobStatus.ACTIVE.value, _("active")),
    (JobStatus.RETRYING.value, _("retrying")),
    (JobStatus.COMPLETE.value, _("complete")),
    (JobStatus.FAILED.value, _("failed")),
    (JobStatus.CANCELLED.value, _("cancelled")),
]


class JobRecord(models.Model):
    """What people read of a job; written by the mirror alone, Redis is the authority.

    ``seq`` is the newest event in the row and ``token`` its newest claim; the mirror decides by them
    which of two facts is the newer. ``function`` is empty while the mirror has not seen the
    submit. ``started_at`` and ``worker_id`` are those of the newest attempt, ``error`` that of the
    newest attempt once it has ended; the others' are in AttemptRecord. ``arguments`` is
    ``{"args": [...], "kwargs": {...}}`` with sensitive values masked. A top job's ``root_id`` is its
    own id.
    """

    id = JobIdField(_("id"), primary_key=True)
    function = models.CharField(_("function"), max_length=255, default="")
    function_name = models.CharField(_("task"), max_length=255, default="")
    queue = models.CharField(_("queue"), max_length=64)
    status = models.CharField(_("status"), max_length=16, choices=STATUS_CHOICES)
    kind = models.CharField(_("kind"), max_length=16, default="task")
    parent_id = JobIdField(_("parent"), null=True)
    root_id = JobIdField(_("root"), null=True)
    replay_of = JobIdField(_("replay of"), null=True)
    duplicate_of = JobIdField(_("duplicate of"), null=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    attempts = models.IntegerField(_("attempts"), default=0)
    max_attempts = models.IntegerField(_("maximum of attempts"), default=1)
    crashes = models.IntegerField(_("crashes"), default=0)
    handbacks = models.IntegerField(_("hand-backs"), default=0, db_default=0)
    created_at = models.DateTimeField(_("created"))
    run_at = models.DateTimeField(_("not before"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    completed_at = models.DateTimeField(_("completed"), null=True)
    worker_id = models.CharField(_("worker"), max_length=128, null=True)
    arguments = models.JSONField(_("arguments"), null=True)
    result = models.JSONField(_("result"), null=True)
    error_type = models.CharField(_("error type"), max_length=255, null=True)
    error = models.TextField(_("error"), null=True)
    progress = models.FloatField(_("progress"), null=True)
    progress_message = models.TextField(_("progress message"), null=True)
    checkpoint = models.JSONField(_("checkpoint"), null=True)
    cache_hit = models.BooleanField(_("cache hit"), default=False)
    schedule = models.CharField(_("schedule"), max_length=255, null=True)
    idempotency_key = models.CharField(_("idempotency key"), max_length=255, null=True)
    code_version = models.CharField(_("code version"), max_length=64, null=True)
    meta = models.JSONField(_("meta"), null=True)
    seq = models.IntegerField(_("newest event"), default=0, editable=False)
    token = models.IntegerField(_("newest claim"), default=0, editable=False)

    objects = Rows["JobRecord"]()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        default_permissions = ("view", "delete")
        permissions = [
            ("retry_job", _("Can retry jobs")),
            ("cancel_job", _("Can cancel jobs")),
            ("view_payload", _("Can view unmasked payloads")),
        ]
        # Each index costs every write of the mirror, so there is one for each thing the lists can be
        # narrowed by, each ordered by the id as they are. What follows the id is looked at there instead of
        # in the row: of a status and a function together, of a function and a queue, and for the lowest id
        # of a span of time. Most jobs have no parent, no key and no schedule: these facts keep them out of
        # four of the indexes.
        indexes = [
            models.Index(fields=["status", "id", "function"], name="upnext_job_status"),
            models.Index(fields=["function", "id", "queue"], name="upnext_job_function"),
            models.Index(fields=["queue", "id"], name="upnext_job_queue"),
            models.Index(
                fields=["worker_id", "id"],
                name="upnext_job_worker",
                condition=models.Q(worker_id__isnull=False),
            ),
            models.Index(fields=["created_at", "id"], name="upnext_job_created"),
            models.Index(
                fields=["root_id", "id"], name="upnext_job_root", condition=models.Q(parent_id__isnull=False)
            ),
            models.Index(
                fields=["parent_id", "id"],
                name="upnext_job_parent",
                condition=models.Q(parent_id__isnull=False),
            ),
            models.Index(
                fields=["idempotency_key"],
                name="upnext_job_key",
                condition=models.Q(idempotency_key__isnull=False),
            ),
            models.Index(
                fields=["schedule", "id"],
                name="upnext_job_schedule",
                condition=models.Q(schedule__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.function_name or _('unknown task')} {self.id}"
