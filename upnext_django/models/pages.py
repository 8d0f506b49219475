"""What has a page and permissions in the admin, but no table: Redis or other tables have its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["Failure", "Overview", "Queue"]


# Django's class takes no parameters outside of its stubs.
if TYPE_CHECKING:
    _Manager = models.Manager[Any]
else:
    _Manager = models.Manager


class _NoRows(_Manager):
    """Answers without a table: dumpdata and its like read every model there is."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().none()


class Overview(models.Model):
    """The page that says how things are."""

    objects = _NoRows()

    class Meta:
        managed = False
        base_manager_name = "objects"
        verbose_name = _("overview")
        verbose_name_plural = _("overview")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(_("Overview"))


class Queue(models.Model):
    """A queue as Redis has it now."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)

    objects = _NoRows()

    class Meta:
        managed = False
        base_manager_name = "objects"
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)
        permissions = [("pause_queue", _("Can pause and resume queues"))]

    def __str__(self) -> str:
        return self.name


class Failure(models.Model):
    """Failed jobs that failed in the same way; ``fingerprint`` says which."""

    fingerprint = models.CharField(_("fingerprint"), max_length=64, primary_key=True)

    objects = _NoRows()

    class Meta:
        managed = False
        base_manager_name = "objects"
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.fingerprint
