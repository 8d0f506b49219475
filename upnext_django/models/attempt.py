"""One run of a job."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["AttemptRecord"]


class AttemptRecord(models.Model):
    """One claim of a job by a worker; written by the mirror alone.

    ``token`` counts the claims of a job, 1, 2, 3...; ``number`` the attempts that count, so a claim
    after a hand-back or a crash has the same number again.
    """

    class Outcome(models.TextChoices):
        ACTIVE = "active", _("active")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("failed")
        TIMED_OUT = "timed_out", _("timed out")
        CANCELLED = "cancelled", _("cancelled")
        HANDED_BACK = "handed_back", _("handed back")
        LOST = "lost", _("worker lost")

    job_id = JobIdField(_("job"))
    number = models.IntegerField(_("attempt"))
    token = models.IntegerField(_("claim"))
    worker_id = models.CharField(_("worker"), max_length=128, null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, default=Outcome.ACTIVE)
    error_type = models.CharField(_("error type"), max_length=255, null=True)
    error = models.TextField(_("error"), null=True)
    traceback = models.TextField(_("traceback"), null=True)

    objects = Rows["AttemptRecord"]()

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ("view",)
        # Its index finds the attempts of a job in their order, so job_id needs none of its own.
        constraints = [
            models.UniqueConstraint(fields=["job_id", "token"], name="upnext_attempt_claim"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.token}"
