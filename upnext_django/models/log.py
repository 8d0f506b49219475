"""A line that a job wrote."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["LogRecord"]


class LogRecord(models.Model):
    """One line of a job's log; written by the mirror alone.

    ``seq`` is the event that carried it and ``position`` its place in there, 0, 1, 2...
    """

    job_id = JobIdField(_("job"))
    seq = models.IntegerField(_("event"))
    position = models.IntegerField(_("position"))
    at = models.DateTimeField(_("time"))
    level = models.CharField(_("level"), max_length=16)
    message = models.TextField(_("message"))
    data = models.JSONField(_("data"), null=True)

    objects = Rows["LogRecord"]()

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        default_permissions = ("view",)
        # Its index finds the lines of a job in their order, so job_id needs none of its own.
        constraints = [
            models.UniqueConstraint(fields=["job_id", "seq", "position"], name="upnext_log_line"),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.message[:80]}"
