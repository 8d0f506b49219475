"""A job that failed for good."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["DeadLetterRecord"]


class DeadLetterRecord(models.Model):
    """A failed job that waits for somebody's decision; written by the mirror alone.

    Its attempts with their tracebacks are the AttemptRecords of ``job_id``. ``replayed_as`` is the
    first job that was made from it, ``discarded_at`` when an operator gave it up; both NULL until then.
    ``fingerprint``, ``message`` and ``frame`` are those of core.fingerprint: failures of one kind share them.
    """

    job_id = JobIdField(_("job"), primary_key=True)
    function = models.CharField(_("function"), max_length=255)
    function_name = models.CharField(_("task"), max_length=255)
    queue = models.CharField(_("queue"), max_length=64)
    failed_at = models.DateTimeField(_("failed"))
    attempts = models.IntegerField(_("attempts"))
    crashes = models.IntegerField(_("crashes"))
    error_type = models.CharField(_("error type"), max_length=255, null=True)
    error = models.TextField(_("error"), null=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=16, default="", db_default="")
    message = models.CharField(_("kind of message"), max_length=200, default="", db_default="")
    frame = models.CharField(_("place"), max_length=200, default="", db_default="")
    replayed_as = JobIdField(_("replayed as"), null=True)
    discarded_at = models.DateTimeField(_("discarded"), null=True)

    objects = Rows["DeadLetterRecord"]()

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        ordering = ["-job_id"]
        default_permissions = ("view", "delete")
        permissions = [
            ("replay_deadletter", _("Can replay dead letters")),
            ("discard_deadletter", _("Can discard dead letters")),
        ]
        indexes = [
            models.Index(fields=["function", "job_id"], name="upnext_dead_function"),
            models.Index(fields=["failed_at"], name="upnext_dead_failed"),
            # Groups are counted from the index alone, without the letters that are decided.
            models.Index(
                fields=["fingerprint", "failed_at", "function_name"],
                name="upnext_dead_print",
                condition=models.Q(replayed_as__isnull=True, discarded_at__isnull=True),
            ),
            models.Index(
                fields=["job_id"],
                name="upnext_dead_open",
                condition=models.Q(replayed_as__isnull=True, discarded_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.function_name} {self.job_id}"
