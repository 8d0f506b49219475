"""A worker process."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.rows import Rows

__all__ = ["WorkerRecord"]


class WorkerRecord(models.Model):
    """A worker process as it last reported itself; copied from Redis by the mirror.

    ``left_at`` is when the mirror first missed it in Redis, NULL while it is there. ``details`` is
    what else it reported.
    """

    id = models.CharField(_("id"), max_length=128, primary_key=True)
    host = models.CharField(_("host"), max_length=255, default="")
    pid = models.IntegerField(_("process"), null=True)
    version = models.CharField(_("version"), max_length=64, default="")
    queues = models.JSONField(_("queues"), default=list)
    concurrency = models.IntegerField(_("concurrency"), default=0)
    running = models.IntegerField(_("running"), default=0)
    started_at = models.DateTimeField(_("started"), null=True)
    seen_at = models.DateTimeField(_("last seen"), null=True)
    left_at = models.DateTimeField(_("left"), null=True)
    details = models.JSONField(_("details"), default=dict)

    objects = Rows["WorkerRecord"]()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["-started_at", "-id"]
        default_permissions = ("view", "delete")
        permissions = [("control_worker", _("Can quiet and stop workers"))]

    def __str__(self) -> str:
        return self.id
