"""An action on very many rows that workers go through."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["BulkAction", "BulkStatus"]


class BulkStatus(models.TextChoices):
    """How far a bulk action is."""

    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")


class BulkAction(models.Model):
    """One action on all rows of a selection; an ordinary row, written by ``operations.bulk`` alone.

    ``verb`` says what is done, ``clauses``, ``newest`` and ``until`` to which rows: see
    operations.bulk.selection. ``words`` say the same to people. ``user_id`` is the text of the key of the
    user who asked and whose rights count, empty if a script did; ``by`` is what the audit trail calls who
    asked, ``through`` what that user asked with, like an API token. ``address`` is the request's, for the
    project's rule of who sees what.

    ``cursor`` is the last key that was looked at, ``pending`` the keys of the chunk in hand, NULL between
    two; ``step`` grows with each write of those, and who read an older one may not write. ``total`` is how
    many matched at the start, NULL if nobody knows. ``reasons`` are those of the first refusals. ``error``
    says why it failed. ``seed`` is that of the API's request with an idempotency key (operations.once), so
    that its repetition finds this one.
    """

    verb = models.CharField(_("action"), max_length=16)
    status = models.CharField(
        _("status"), max_length=16, choices=BulkStatus.choices, default=BulkStatus.WAITING.value
    )
    clauses = models.JSONField(_("selection"), default=list)
    words = models.JSONField(_("which"), default=list)
    newest = JobIdField(_("newest"))
    until = models.DateTimeField(_("until"))
    user_id = models.CharField(_("user"), max_length=255, default="", blank=True)
    by = models.CharField(_("asked by"), max_length=255, default="", blank=True)
    through = models.CharField(_("through"), max_length=255, default="", blank=True)
    address = models.JSONField(_("address"), default=dict)
    asked_at = models.DateTimeField(_("asked"))
    started_at = models.DateTimeField(_("started"), null=True)
    moved_at = models.DateTimeField(_("last progress"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    stop_asked_by = models.CharField(_("stopped by"), max_length=255, null=True)
    cursor = JobIdField(_("last looked at"), default="", blank=True)
    pending = models.JSONField(_("in hand"), null=True)
    step = models.BigIntegerField(_("step"), default=0)
    total = models.BigIntegerField(_("matched"), null=True)
    done = models.BigIntegerField(_("done"), default=0)
    refused = models.BigIntegerField(_("refused"), default=0)
    reasons = models.JSONField(_("reasons"), default=list)
    seed = models.CharField(_("request"), max_length=64, null=True, unique=True, editable=False)
    error = models.TextField(_("error"), default="", blank=True)

    objects = Rows["BulkAction"]()

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            # Those that workers look for every second: a few, whatever the length of the history.
            models.Index(
                fields=["id"],
                name="upnext_bulk_open",
                condition=models.Q(status__in=["waiting", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether a worker has something to do for it."""
        return self.status in (BulkStatus.WAITING, BulkStatus.RUNNING)
