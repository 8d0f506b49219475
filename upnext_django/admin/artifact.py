"""Artifacts in the admin: a list, and their files for users who may see payloads."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from upnext_django.admin.display import time_column, visible
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import ArtifactRecord, JobRecord
from upnext_django.operations import artifacts
from upnext_django.operations.scope import scoped

__all__ = ["ArtifactRecordAdmin"]


@admin.register(ArtifactRecord)
class ArtifactRecordAdmin(ReadOnlyAdmin):
    """Files that jobs made."""

    list_display = ("shown_name", "artifact_type", "size", "job", "shown_created_at", "download")
    list_filter = ("artifact_type",)
    ordering = ("-id",)
    search_fields = ("job_id",)
    search_help_text = _("The id of a job.")
    fields = ("shown_name", "artifact_type", "size", "job", "shown_created_at", "download", "picture")

    shown_created_at = time_column("created_at", _("created"))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().lower()
        return (queryset.filter(job_id=term) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("<str:artifact_id>/content/", self.content_view, "content", "payload"),
            self.page_path("<str:artifact_id>/picture/", self.picture_view, "picture", "payload"),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return tuple(n for n in self.list_display if self._may_see(request, n))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(n for n in self.fields if self._may_see(request, n))

    def has_payload_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "view_payload")

    def content_view(self, request: HttpRequest, artifact_id: str) -> HttpResponseBase:
        """Send the file as a download."""
        return self._file(request, artifact_id, shown=False)

    def picture_view(self, request: HttpRequest, artifact_id: str) -> HttpResponseBase:
        """Send a picture that a page shows."""
        return self._file(request, artifact_id, shown=True)

    def _may_see(self, request: HttpRequest, field: str) -> bool:
        return field not in ("download", "picture") or self.has_payload_permission(request)

    def _file(self, request: HttpRequest, artifact_id: str, *, shown: bool) -> HttpResponseBase:
        artifact = self.get_queryset(request).filter(pk=artifact_id).first()
        if artifact is None or not _is_in_scope(request, artifact.job_id):
            raise Http404
        if shown and not artifacts.can_be_shown(artifact):
            raise Http404
        try:
            return artifacts.content(artifact, shown=shown)
        except FileNotFoundError:
            raise Http404(f"The file of artifact {artifact_id} is no longer in the storage.") from None

    @admin.display(description=_("name"))
    def shown_name(self, artifact: ArtifactRecord) -> str:
        return visible(artifact.name)

    @admin.display(description=_("size"))
    def size(self, artifact: ArtifactRecord) -> str:
        return filesizeformat(artifact.size_bytes)

    @admin.display(description=_("job"))
    def job(self, artifact: ArtifactRecord) -> SafeString:
        url = self.url("upnext_jobrecord_change", artifact.job_id)
        return format_html('<a href="{}"><code>{}</code></a>', url, artifact.job_id)

    @admin.display(description=_("file"))
    def download(self, artifact: ArtifactRecord) -> SafeString:
        url = self.url("upnext_artifactrecord_content", artifact.pk)
        return format_html('<a href="{}" download>{}</a>', url, _("Download"))

    @admin.display(description=_("picture"))
    def picture(self, artifact: ArtifactRecord) -> SafeString | str:
        if not artifacts.can_be_shown(artifact):
            return "-"
        url = self.url("upnext_artifactrecord_picture", artifact.pk)
        return format_html('<img class="upnext-picture" src="{}" alt="{}">', url, visible(artifact.name))


def _is_in_scope(request: HttpRequest, job_id: str) -> bool:
    """Whether the user may see the job; one whose row is gone says nothing about it."""
    jobs = JobRecord.objects.filter(pk=job_id)
    return scoped(request, jobs).exists() or not jobs.exists()
