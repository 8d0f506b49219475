"""A job that is committed and not yet known to be in Redis."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField

__all__ = ["OutboxEntry"]


class OutboxEntry(models.Model):
    """One submit, written in the submitter's transaction and deleted when Redis has the job.

    The primary key is the order. ``item`` is the JSON of a StoredJob, ``redis`` the Redis it goes to:
    "" is that of the settings, else the URL of the Worker with its password masked. ``set_aside_at`` is
    when the relay gave the row up, ``error`` why; both NULL for what is on its way.
    """

    job_id = JobIdField(_("job"), unique=True)
    redis = models.CharField(_("Redis"), max_length=255, default="", blank=True)
    queue = models.CharField(_("queue"), max_length=64)
    function = models.CharField(_("function"), max_length=255)
    item = models.BinaryField(_("item"))
    created_at = models.DateTimeField(_("submitted"), default=timezone.now)
    set_aside_at = models.DateTimeField(_("set aside"), null=True)
    error = models.TextField(_("error"), null=True)

    class Meta:
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        ordering = ["id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.function} {self.job_id}"
