"""A value that workers find in their environment."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.rows import Rows

__all__ = ["Secret"]


class Secret(models.Model):
    """One secret, encrypted; written by ``operations.secrets`` alone and shown by nothing.

    ``name`` is in lower case. ``updated_at`` and ``updated_by`` tell of the value's last change: that it
    was encrypted again with another key is none.
    """

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    ciphertext = models.TextField(_("ciphertext"), editable=False)
    created_at = models.DateTimeField(_("created"))
    updated_at = models.DateTimeField(_("last changed"))
    updated_by = models.CharField(_("changed by"), max_length=255, default="")

    objects = Rows["Secret"]()

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
