"""A file that a job made."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.job_id import JobIdField
from upnext_django.models.rows import Rows

__all__ = ["ArtifactRecord"]


class ArtifactRecord(models.Model):
    """What is known of an artifact; its content is in Django's storage under ``path``."""

    class Type(models.TextChoices):
        JSON = "json", "JSON"
        TEXT = "text", _("text")
        PNG = "png", "PNG"
        JPEG = "jpeg", "JPEG"
        WEBP = "webp", "WebP"
        GIF = "gif", "GIF"
        SVG = "svg", "SVG"
        PDF = "pdf", "PDF"
        CSV = "csv", "CSV"
        XML = "xml", "XML"
        HTML = "html", "HTML"
        BINARY = "binary", _("binary")

    id = JobIdField(_("id"), primary_key=True)
    job_id = JobIdField(_("job"))
    name = models.CharField(_("name"), max_length=255)
    artifact_type = models.CharField(_("type"), max_length=16, choices=Type)
    size_bytes = models.BigIntegerField(_("size in bytes"))
    path = models.CharField(_("path"), max_length=500)
    created_at = models.DateTimeField(_("created"))

    objects = Rows["ArtifactRecord"]()

    class Meta:
        verbose_name = _("artifact")
        verbose_name_plural = _("artifacts")
        ordering = ["-id"]
        default_permissions = ("view", "add", "delete")
        indexes = [models.Index(fields=["job_id", "id"], name="upnext_artifact_job")]

    def __str__(self) -> str:
        return self.name
