"""How many jobs ended, by minute and by hour: what charts are drawn from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.rows import Rows

__all__ = ["StatCursor", "StatRecord"]


class StatRecord(models.Model):
    """Attempts of one function in one queue that ended alike in one period; written by the mirror alone.

    ``period`` is its length in seconds, 60 or 3600, ``start`` its first moment; the period 0, which starts in
    1970, has all there ever were, for counters that may not fall. ``outcome`` is the status
    that the end gave the job: complete, failed, cancelled, or retrying for an attempt that is followed by
    another. ``bound_ms`` is the bucket of how long the attempt ran: the lowest of ``core.buckets`` that is
    not below it, 0 for a job that never ran. ``ran_ms`` is how long they ran together.
    """

    period = models.IntegerField(_("period"))
    start = models.DateTimeField(_("start"))
    function = models.CharField(_("function"), max_length=255)
    queue = models.CharField(_("queue"), max_length=64)
    outcome = models.CharField(_("outcome"), max_length=16)
    bound_ms = models.BigIntegerField(_("ran up to (ms)"))
    jobs = models.BigIntegerField(_("jobs"))
    ran_ms = models.BigIntegerField(_("ran together (ms)"), default=0)

    objects = Rows["StatRecord"]()

    class Meta:
        verbose_name = _("statistic")
        verbose_name_plural = _("statistics")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["period", "start", "function", "queue", "outcome", "bound_ms"],
                name="upnext_stat_bucket",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.function} {self.outcome} {self.start:%Y-%m-%d %H:%M}"


class StatCursor(models.Model):
    """The newest entry of a queue's events that is counted: what is read again is not counted again."""

    queue = models.CharField(_("queue"), max_length=64, primary_key=True)
    entry_id = models.CharField(_("entry"), max_length=64)

    objects = Rows["StatCursor"]()

    class Meta:
        verbose_name = _("statistics cursor")
        verbose_name_plural = _("statistics cursors")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.queue} {self.entry_id}"
