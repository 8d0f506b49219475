"""A function that workers know."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.rows import Rows

__all__ = ["FunctionRecord"]


class FunctionRecord(models.Model):
    """A function as a worker last registered it; copied from Redis by the mirror.

    ``function`` is its identity, ``{module}.{qualname}``; ``definition`` is its options.
    """

    function = models.CharField(_("function"), max_length=255, primary_key=True)
    function_name = models.CharField(_("task"), max_length=255, default="")
    queue = models.CharField(_("queue"), max_length=64, default="")
    kind = models.CharField(_("kind"), max_length=16, default="task")
    definition = models.JSONField(_("definition"), default=dict)
    seen_at = models.DateTimeField(_("last changed"))

    objects = Rows["FunctionRecord"]()

    class Meta:
        verbose_name = _("function")
        verbose_name_plural = _("functions")
        ordering = ["function"]
        default_permissions = ("view", "delete")
        permissions = [
            ("pause_function", _("Can pause and resume functions")),
            ("run_function", _("Can run functions by hand")),
        ]

    def __str__(self) -> str:
        return self.function
